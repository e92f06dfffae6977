//! A file of tcprules (`proto::cdb`): in one that is whole, the first value of a key is found, and
//! all that is in it; in one that was cut or written to, nothing is found that is not there, and no
//! more is asked for than a value can have.

use crate::choices::Choices;
use proto::cdb::{LONGEST, Lookup, Malformed, Progress, hash, records};

/// Slots beside those that a table needs.
const SPARE: usize = 2;

/// A key; how many octets are cut off; places and what is written there; then entries.
pub fn check(input: &[u8]) {
    let mut choices = Choices::new(input);
    let key = choices.part();
    let cut = usize::from(choices.octet());
    let mut edits = choices.part().chunks_exact(3);
    let entries: Vec<&[u8]> = choices.rest().split(|&octet| octet == 0xFF).collect();
    let entries: Vec<(&[u8], &[u8])> = entries.iter().map(|entry| halves(entry)).collect();
    let mut file = made_of(&entries);
    let expected = entries.iter().find(|(known, _)| *known == key).map(|(_, value)| value.to_vec());
    assert_eq!(look_up(&file, key), Ok(expected));
    assert_eq!(records(&file).as_ref(), Ok(&entries));
    let length = file.len() - cut.min(file.len());
    file.truncate(length);
    edits.by_ref().for_each(|edit| {
        // Most of what matters is behind the places of 256 tables.
        let at = usize::from(edit[0]) * 256 + usize::from(edit[1]);
        if let Some(octet) = file.get_mut(at) {
            *octet = edit[2];
        }
    });
    let read = records(&file).unwrap_or_default();
    assert!(
        read.iter().map(|(key, value)| 8 + key.len() + value.len()).sum::<usize>() <= file.len()
    );
    if let Ok(Some(value)) = look_up(&file, key) {
        let record = [&word(key.len())[..], &word(value.len()), key, &value].concat();
        assert!(file.windows(record.len()).any(|there| there == record), "{value:?} is nowhere");
    }
}

fn halves(entry: &[u8]) -> (&[u8], &[u8]) {
    let middle = entry.iter().position(|&octet| octet == b':').unwrap_or(entry.len());
    (&entry[..middle], entry.get(middle + 1..).unwrap_or_default())
}

fn word(number: usize) -> [u8; 4] {
    u32::try_from(number).expect("small").to_le_bytes()
}

fn look_up(file: &[u8], key: &[u8]) -> Result<Option<Vec<u8>>, Malformed> {
    let (mut lookup, mut wanted) = Lookup::new(key);
    loop {
        assert!(wanted.length <= key.len().max(LONGEST) + LONGEST);
        let at = usize::try_from(wanted.at).expect("a place");
        let octets = file.get(at..).and_then(|rest| rest.get(..wanted.length));
        match lookup.push(octets.ok_or(Malformed)?)? {
            Progress::Wants(next) => wanted = next,
            Progress::Found(value) => return Ok(Some(value)),
            Progress::Absent => return Ok(None),
        }
    }
}

/// A file with these entries, as cdb(5) says.
fn made_of(entries: &[(&[u8], &[u8])]) -> Vec<u8> {
    let mut file = vec![0; 2048];
    let mut tables = vec![Vec::new(); 256];
    for (key, value) in entries {
        let hash = hash(key);
        tables[(hash % 256) as usize].push((hash, file.len()));
        file.extend([&word(key.len())[..], &word(value.len()), key, value].concat());
    }
    for (number, records) in tables.iter().enumerate().filter(|(_, records)| !records.is_empty()) {
        let mut slots = vec![(0, 0); records.len() + SPARE];
        for &(hash, record) in records {
            let mut index = (hash >> 8) as usize % slots.len();
            while slots[index].1 != 0 {
                index = (index + 1) % slots.len();
            }
            slots[index] = (hash, record);
        }
        let place = [word(file.len()), word(slots.len())].concat();
        file[number * 8..number * 8 + 8].copy_from_slice(&place);
        file.extend(
            slots.iter().flat_map(|(hash, record)| [hash.to_le_bytes(), word(*record)].concat()),
        );
    }
    file
}
