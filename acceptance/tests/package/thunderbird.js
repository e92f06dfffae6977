// What thunderbird.py has Thunderbird do, as its windows would have it done.

const [settings, certificate, address, password, subject, type, port, submissionPort, done] = arguments;
const from = (module) => ChromeUtils.importESModule(`resource:///modules/${module}.sys.mjs`);
const { MailServices } = from("MailServices");
const { JXON } = from("JXON");
const { AccountConfig } = from("accountcreation/AccountConfig");
const { ConfigVerifier } = from("accountcreation/ConfigVerifier");
const { CreateInBackend } = from("accountcreation/CreateInBackend");
const { readFromXML } = from("accountcreation/readFromXML");
const { setTimeout } = ChromeUtils.importESModule("resource://gre/modules/Timer.sys.mjs");
const window = Services.wm.getMostRecentWindow(null);

const PATIENCE = 40 * 1000; // milliseconds for each step

// What is promised, unless it takes too long.
function soon(what, promise) {
  const late = new Promise((_, reject) =>
    setTimeout(() => reject(new Error(`waited in vain for ${what}`)), PATIENCE)
  );
  return Promise.race([promise, late]);
}

// What a function gives once it gives something.
async function until(what, wanted) {
  let found;
  const given = async () => {
    while (!(found = wanted())) {
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  };
  await soon(what, given());
  return found;
}

// The offers of the file for these ports.
function chosen() {
  const file = new window.DOMParser().parseFromString(settings, "text/xml");
  const config = readFromXML(JXON.build(file), "disk");
  const incoming = [config.incoming, ...config.incomingAlternatives];
  config.incoming = incoming.find((offer) => offer.type == type && offer.port == port);
  const outgoing = [config.outgoing, ...config.outgoingAlternatives];
  config.outgoing = outgoing.find((offer) => offer.port == submissionPort);
  config.outgoing.addThisServer = true;
  config.rememberPassword = true;
  AccountConfig.replaceVariables(config, "Somebody", address, password);
  return config;
}

// As users do who are shown a certificate that signs itself.
function trust({ hostname, port }) {
  const base64 = btoa(String.fromCharCode(...certificate));
  const database = Cc["@mozilla.org/security/x509certdb;1"].getService(Ci.nsIX509CertDB);
  const shown = database.constructX509FromBase64(base64);
  const overrides = Cc["@mozilla.org/security/certoverride;1"].getService(Ci.nsICertOverrideService);
  overrides.rememberValidityOverride(hostname, port, {}, shown, false);
}

// Once, as its assistant can only do so once for sure: what it does about a wrong password is in
// the dialogs.
async function verify(config) {
  const verifier = new ConfigVerifier(null, new window.AbortController().signal);
  await soon("a login", verifier.verifyConfig(config, false));
}

// The text of a message, as it is when its window is open.
async function read(inbox, subject) {
  const header = await until(`a message "${subject}"`, () =>
    [...inbox.messages].find((message) => message.mime2DecodedSubject == subject)
  );
  const uri = inbox.getUriForMsg(header);
  let text = "";
  await soon(`the text of "${subject}"`, new Promise((resolve) => {
    const listener = {
      QueryInterface: ChromeUtils.generateQI(["nsIStreamListener"]),
      onStartRequest() {},
      onStopRequest: resolve,
      onDataAvailable(_request, input, _offset, count) {
        const stream = Cc["@mozilla.org/scriptableinputstream;1"].createInstance(
          Ci.nsIScriptableInputStream
        );
        stream.init(input);
        text += stream.read(count);
      },
    };
    MailServices.messageServiceFromURI(uri).streamMessage(uri, listener, null, null, false, "", false);
  }));
  inbox.markMessagesRead([header], true);
  return text;
}

// Sends a message to itself; with IMAP this puts a copy into a folder for what was sent.
async function send(account, subject) {
  const fields = Cc["@mozilla.org/messengercompose/composefields;1"].createInstance(Ci.nsIMsgCompFields);
  Object.assign(fields, { from: address, to: address, subject });
  const status = await soon("a message to be sent", new Promise((resolve) => {
    const listener = {
      QueryInterface: ChromeUtils.generateQI(["nsIMsgSendListener", "nsIMsgCopyServiceListener"]),
      onStartSending() {},
      onSendProgress() {},
      onStatus() {},
      onStopSending: (_id, status) => status && resolve(status),
      onGetDraftFolderURI() {},
      onSendNotPerformed: () => resolve("not performed"),
      onTransportSecurityError: () => resolve("security"),
      onStartCopy() {},
      onProgress() {},
      setMessageKey() {},
      onStopCopy: resolve,
    };
    const { Now } = Ci.nsIMsgCompDeliverMode;
    Cc["@mozilla.org/messengercompose/send;1"].createInstance(Ci.nsIMsgSend).createAndSendMessage(
      null, account.defaultIdentity, account.key, fields, false, false, Now, null, "text/plain",
      ".\r\n..\r\nsent by it\r\n", null, null, listener, "", "", Ci.nsIMsgCompType.New
    );
  }));
  if (status) {
    throw new Error(`not sent: ${status}`);
  }
}

async function use() {
  const config = chosen();
  [config.incoming, config.outgoing].forEach(trust);
  await verify(config);
  const account = await CreateInBackend.createAccountInBackend(config);
  const server = account.incomingServer;
  server.performBiff(null);
  const inbox = await until("an inbox", () =>
    server.rootFolder.getFolderWithFlags(Ci.nsMsgFolderFlags.Inbox)
  );
  if (type == "imap") {
    inbox.updateFolder(null);
  }
  await read(inbox, subject);
  await send(account, "By Thunderbird");
  // IMAP's server says when it is there.
  if (type == "pop3") {
    server.performBiff(null);
  }
  const text = (await read(inbox, "By Thunderbird")).replaceAll("\r", "");
  if (!text.trimEnd().endsWith("\n\n.\n..\nsent by it")) {
    throw new Error(`sent as another: ${text}`);
  }
}

use().then(() => done(null), (error) => done(`${error}\n${error.stack}`));
