//! Looking one key up in a constant data base (cdb(5), Bernstein 1996), as tcprules makes
//! them: who asks knows nothing of the rest of the file. And all that is in one, for those who
//! look it over.
//!
//! A look-up says which octets of the file it wants next and is given them, so it can be read from
//! a file that is never mapped: one that changes under us is then an error and nothing worse.
//! What contradicts itself is an error, too, since a rule that is not found is not the same
//! as a file that cannot be read. Called by `tlsserver`; `acceptutils check` reads it whole.

use alloc::vec::Vec;

/// The longest value that is taken, in octets.
pub const LONGEST: usize = 64 * 1024;
/// Slots of a table that are looked at in vain at most.
const PROBES: u32 = 64 * 1024;
/// The tables' places and sizes, at the file's beginning.
const TABLES: u32 = 256;
/// What a file begins with, in octets: a look-up of a key that it does not have often
/// wants nothing else.
pub const BEGINNING: usize = TABLES as usize * PAIR;
/// A pair of numbers, of which all but keys and values is made.
const PAIR: usize = 8;

/// Octets of the file that are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// Where they begin.
    pub at: u64,
    /// How many; at most [`LONGEST`] more than the key has.
    pub length: usize,
}

/// How far a look-up is.
#[derive(Debug, PartialEq, Eq)]
pub enum Progress {
    /// These octets come next. A file that has not so many is [`Malformed`].
    Wants(Wanted),
    /// The first value of the key.
    Found(Vec<u8>),
    /// The file does not have the key.
    Absent,
}

/// The file contradicts itself, or has a value that is too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed;

/// One look-up.
#[derive(Debug)]
pub struct Lookup<'k> {
    key: &'k [u8],
    hash: u32,
    state: State,
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// Which table the key would be in.
    Table,
    Slot(Probe),
    /// The lengths of a record's key and value.
    Lengths(Probe, u32),
    /// The record's key, and the value if the key's length is right.
    Record(Probe, usize),
}

/// Where in its table the look-up is.
#[derive(Debug, Clone, Copy)]
struct Probe {
    table: u32,
    slots: u32,
    index: u32,
    seen: u32,
}

impl<'k> Lookup<'k> {
    /// Begins to look for a key. What is wanted first.
    #[must_use]
    pub fn new(key: &'k [u8]) -> (Self, Wanted) {
        let hash = hash(key);
        let at = u64::from(hash % TABLES) * PAIR as u64;
        (Self { key, hash, state: State::Table }, Wanted { at, length: PAIR })
    }

    /// Takes the octets that were wanted last, all of them.
    ///
    /// # Errors
    /// [`Malformed`], also where these are not as many as were wanted.
    pub fn push(&mut self, octets: &[u8]) -> Result<Progress, Malformed> {
        match self.state {
            State::Table => {
                let (table, slots) = pair(octets)?;
                if slots == 0 {
                    return Ok(Progress::Absent);
                }
                let index = (self.hash >> 8) % slots;
                Ok(self.wants_slot(Probe { table, slots, index, seen: 0 }))
            }
            State::Slot(probe) => {
                let (hash, record) = pair(octets)?;
                if record == 0 {
                    return Ok(Progress::Absent);
                }
                if hash == self.hash {
                    self.state = State::Lengths(probe, record);
                    return Ok(wants(u64::from(record), PAIR));
                }
                self.next_slot(probe)
            }
            State::Lengths(probe, record) => {
                let (key, value) = pair(octets)?;
                let (key, value) = (key as usize, value as usize);
                let value = if key == self.key.len() { value } else { 0 };
                // A key that is none of those that are looked for is read for its hash only.
                if value > LONGEST || key > self.key.len().max(LONGEST) {
                    return Err(Malformed);
                }
                self.state = State::Record(probe, key);
                Ok(wants(u64::from(record) + PAIR as u64, key + value))
            }
            State::Record(probe, length) => {
                let (key, value) = octets.split_at_checked(length).ok_or(Malformed)?;
                if key == self.key {
                    return Ok(Progress::Found(value.to_vec()));
                }
                // Its slot says that it has the same hash.
                if hash(key) != self.hash {
                    return Err(Malformed);
                }
                self.next_slot(probe)
            }
        }
    }

    fn next_slot(&mut self, probe: Probe) -> Result<Progress, Malformed> {
        let Probe { slots, index, seen, .. } = probe;
        let seen = seen + 1;
        if seen >= slots {
            return Ok(Progress::Absent);
        }
        if seen >= PROBES {
            return Err(Malformed);
        }
        let index = if index + 1 == slots { 0 } else { index + 1 };
        Ok(self.wants_slot(Probe { index, seen, ..probe }))
    }

    fn wants_slot(&mut self, probe: Probe) -> Progress {
        self.state = State::Slot(probe);
        wants(u64::from(probe.table) + u64::from(probe.index) * PAIR as u64, PAIR)
    }
}

const fn wants(at: u64, length: usize) -> Progress {
    Progress::Wants(Wanted { at, length })
}

/// A key and its value.
pub type Record<'f> = (&'f [u8], &'f [u8]);

/// All keys of a whole file with their values, in the order in which they were put there; of
/// several values of a key the first counts.
///
/// # Errors
/// [`Malformed`], as for a look-up: tables that are not in the file, a record that does not end
/// before them, or a value longer than [`LONGEST`].
pub fn records(file: &[u8]) -> Result<Vec<Record<'_>>, Malformed> {
    let tables = file.get(..TABLES as usize * PAIR).ok_or(Malformed)?;
    // Behind the last record comes the first table; without records no table has slots.
    let mut end = None;
    for table in tables.chunks_exact(PAIR) {
        let (at, slots) = pair(table)?;
        if slots > 0 && u64::from(at) + u64::from(slots) * PAIR as u64 > file.len() as u64 {
            return Err(Malformed);
        }
        if slots > 0 {
            end = Some(end.unwrap_or(at).min(at));
        }
    }
    let end = end.map_or(tables.len(), |end| end as usize);
    let mut rest = file.get(tables.len()..end).ok_or(Malformed)?;
    let mut records = Vec::new();
    while !rest.is_empty() {
        let (lengths, after) = rest.split_at_checked(PAIR).ok_or(Malformed)?;
        let (key, value) = pair(lengths)?;
        let (key, after) = after.split_at_checked(key as usize).ok_or(Malformed)?;
        let (value, after) = after.split_at_checked(value as usize).ok_or(Malformed)?;
        if value.len() > LONGEST {
            return Err(Malformed);
        }
        records.push((key, value));
        rest = after;
    }
    Ok(records)
}

/// The hash of a key, as cdb(5) has it.
#[must_use]
pub fn hash(key: &[u8]) -> u32 {
    key.iter().fold(5381, |hash: u32, &octet| hash.wrapping_mul(33) ^ u32::from(octet))
}

fn pair(octets: &[u8]) -> Result<(u32, u32), Malformed> {
    let octets: [u8; PAIR] = octets.try_into().map_err(|_| Malformed)?;
    let [a, b, c, d, e, f, g, h] = octets;
    Ok((u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h])))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks a key up in octets that are all there.
    fn look_up(file: &[u8], key: &[u8]) -> Result<Option<Vec<u8>>, Malformed> {
        let (mut lookup, mut wanted) = Lookup::new(key);
        loop {
            let at = usize::try_from(wanted.at).unwrap();
            let octets = file.get(at..at + wanted.length).ok_or(Malformed)?;
            match lookup.push(octets)? {
                Progress::Wants(next) => wanted = next,
                Progress::Found(value) => return Ok(Some(value)),
                Progress::Absent => return Ok(None),
            }
        }
    }

    /// A file with these entries, all in one table that has so many slots: their hashes
    /// must agree in their lowest eight bits.
    fn file(entries: &[(&[u8], &[u8])], slots: usize) -> Vec<u8> {
        let mut file = std::vec![0; 2048];
        let mut table = std::vec![(0, 0); slots];
        for (key, value) in entries {
            let hash = hash(key);
            let mut index = (hash >> 8) as usize % slots;
            while table[index].1 != 0 {
                index = (index + 1) % slots;
            }
            table[index] = (hash, u32::try_from(file.len()).unwrap());
            for length in [key.len(), value.len()] {
                file.extend_from_slice(&u32::try_from(length).unwrap().to_le_bytes());
            }
            file.extend_from_slice(key);
            file.extend_from_slice(value);
        }
        let place = (hash(entries[0].0) % 256) as usize * 8;
        let at = u32::try_from(file.len()).unwrap();
        file[place..place + 4].copy_from_slice(&at.to_le_bytes());
        let slots = u32::try_from(slots).unwrap();
        file[place + 4..place + 8].copy_from_slice(&slots.to_le_bytes());
        for (hash, record) in table {
            file.extend_from_slice(&hash.to_le_bytes());
            file.extend_from_slice(&record.to_le_bytes());
        }
        file
    }

    #[test]
    fn a_key_has_its_first_value() {
        let entries = [(&b"10."[..], &b"D\0"[..]), (b"10.", b"second"), (b"10.", b"")];
        for slots in [3, 4, 6] {
            let file = file(&entries, slots);
            assert_eq!(look_up(&file, b"10.").unwrap().as_deref(), Some(&b"D\0"[..]));
            assert_eq!(look_up(&file, b""), Ok(None));
        }
        let file = file(&[(b"", b"+A=b\0")], 2);
        assert_eq!(look_up(&file, b"").unwrap().as_deref(), Some(&b"+A=b\0"[..]));
    }

    #[test]
    fn all_that_is_in_a_file() {
        let entries = [(&b"10."[..], &b"D\0"[..]), (b"10.", b"second"), (b"10.", b"")];
        let whole = file(&entries, 4);
        assert_eq!(records(&whole), Ok(entries.to_vec()));
        assert_eq!(records(&[0; 2048]), Ok(Vec::new()));
        for cut in 0..whole.len() {
            assert_eq!(records(&whole[..cut]), Err(Malformed), "{cut}");
        }
        let mut longer = whole;
        longer[2048] += 1;
        assert_eq!(records(&longer), Err(Malformed), "a record that ends in another");
    }

    #[test]
    fn what_is_cut_off_is_malformed() {
        let file = file(&[(b"192.0.2.7", b"D\0")], 2);
        assert_eq!(look_up(&file, b"192.0.2.7"), Ok(Some(b"D\0".to_vec())));
        for cut in 0..file.len() {
            let found = look_up(&file[..cut], b"192.0.2.7");
            // The last slot is not looked at where the first has it.
            assert!(found == Err(Malformed) || cut >= file.len() - 8, "{cut}: {found:?}");
        }
    }

    #[test]
    fn a_slot_that_leads_to_something_else_is_malformed() {
        let mut file = file(&[(b"192.0.2.7", b"D\0")], 1);
        let at = 2048 + 8;
        file[at] = b'2';
        assert_eq!(look_up(&file, b"192.0.2.7"), Err(Malformed));
        file[at] = b'1';
        file[2048 + 6] = 0xff;
        assert_eq!(look_up(&file, b"192.0.2.7"), Err(Malformed), "the value is too long");
    }

    #[test]
    fn a_table_without_an_end_is_left() {
        // Every slot is one of a hash that only looks like the key's.
        let slots = u32::MAX;
        let (mut lookup, _) = Lookup::new(b"x");
        let table = [2048_u32.to_le_bytes(), slots.to_le_bytes()].concat();
        let mut progress = lookup.push(&table);
        let mut pushed = 0_u32;
        while let Ok(Progress::Wants(_)) = progress {
            progress = lookup.push(&[1, 0, 0, 0, 1, 0, 0, 0]);
            pushed += 1;
        }
        assert_eq!((progress, pushed), (Err(Malformed), PROBES));
    }
}
