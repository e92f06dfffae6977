//! What the UCSPI-TLS server does and sees.

use std::os::fd::AsFd;

use anyhow::{Context, Result, ensure};

use super::{Play, Whose};
use crate::case::{Act, Tls};
use crate::channel::wait;
use crate::text::{Text, show};

impl Play {
    pub(super) fn tls(&mut self, tls: &Tls) -> Result<()> {
        match tls {
            Tls::Asked(text) => {
                self.expect(Whose::Control, text)?;
                self.asked = true;
                Ok(())
            }
            Tls::Answers(text) => self.answer(text),
            Tls::Facts(text) => {
                self.answer(text)?;
                self.secure = true;
                Ok(())
            }
            Tls::On => {
                self.secure = true;
                Ok(())
            }
            Tls::ClosesControl => {
                self.asked = false;
                // Shut down first: a process that another test is just starting may hold a
                // copy for a moment, and a mere close would then not be seen at once.
                let control = self.channel(Whose::Control)?;
                if let Some(output) = &control.output {
                    rustix::net::shutdown(output, rustix::net::Shutdown::Both)?;
                }
                self.act(Whose::Control, &Act::Closes)
            }
            Tls::ControlEnds => self.expect_end(Whose::Control),
            Tls::FindsInTheClear(text) => self.find_in_the_clear(text),
        }
    }

    fn answer(&mut self, text: &Text) -> Result<()> {
        self.act(Whose::Control, &Act::Sends { bytes: text.clone(), held: false })
    }

    /// Reads the network connection as the TLS engine would, and lets go of it.
    fn find_in_the_clear(&mut self, text: &Text) -> Result<()> {
        let ends = self.stage.tls.as_mut().context("the case has no `tls:` line")?;
        let network = ends.network.take().context("looked at twice")?;
        let wanted = text.bytes(&self.names)?;
        let mut found = Vec::new();
        while found.len() < wanted.len() {
            wait(&[network.as_fd()], None, self.deadline)?;
            let mut octet = [0; 1];
            ensure!(
                rustix::io::retry_on_intr(|| rustix::io::read(&network, &mut octet))? == 1,
                "only this is left:\n        {}",
                show(&found)
            );
            found.extend_from_slice(&octet);
        }
        ensure!(found == wanted, "found instead:\n        {}", show(&found));
        Ok(())
    }

    /// A TLS server lets go of the network connection when it is not asked any more.
    pub(super) fn let_go_of_the_network(&mut self) {
        if let Some(tls) = &mut self.stage.tls
            && (self.exited || (tls.control.ended && !self.asked && tls.control.got.is_empty()))
        {
            tls.network = None;
        }
    }
}
