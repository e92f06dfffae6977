//! What was measured, and how it is told: `results` holds it, and is what is written as
//! JSON; `goals` compares it with what is wanted, `table` and `plot` show it, `docs`
//! puts it into the documentation.

pub(crate) mod docs;
mod goal;
pub(crate) mod goals;
pub(crate) mod machine;
pub(crate) mod plot;
pub(crate) mod results;
pub(crate) mod table;
