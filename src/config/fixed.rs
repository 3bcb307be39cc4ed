//! What a running gateway cannot change: the addresses it is bound to, its threads, the size of the table of verified tokens, the
//! file in which quotas are kept (another one holds other counts, and would be written over).
//!
//! Everything else of a file is taken up by a reload. Addresses count, not how they are written: listeners may change places,
//! and port 0 stands for whatever port was found at the start.

use super::{
    Gateway, ListenerAddress, Problems,
    compile::{compile, read},
    report::{Fault, Report},
};
use std::path::Path;
use toml::de::DeTable;

/// Why a file cannot be taken up by a running gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unloadable {
    /// It could not be started with either.
    Wrong(Problems),
    /// It is good, but needs a restart.
    NeedsRestart(Problems),
}

/// Reads and compiles a file that is to replace what is running. Its listeners get the addresses that are bound.
///
/// # Errors
/// Every problem of the file at once; if it has none, everything that cannot change at once.
pub fn load_next(path: &Path, running: &Gateway) -> Result<Gateway, Unloadable> {
    let text = read(path).map_err(Unloadable::Wrong)?;
    compile_next(path, &text, running)
}

fn compile_next(path: &Path, text: &str, running: &Gateway) -> Result<Gateway, Unloadable> {
    let mut next = compile(path, text).map_err(Unloadable::Wrong)?;
    let (document, _) = DeTable::parse_recoverable(text);
    let file = Written { report: Report::new(path, text, &[]), document: document.get_ref() };
    file.compare_listeners(running, &mut next);
    file.compare_rest(running, &mut next);
    let problems = file.report.into_problems();
    if problems.0.is_empty() { Ok(next) } else { Err(Unloadable::NeedsRestart(problems)) }
}

/// The file, to say where in it something stands.
struct Written<'a> {
    report: Report<'a>,
    document: &'a DeTable<'a>,
}

impl Written<'_> {
    fn compare_listeners(&self, running: &Gateway, next: &mut Gateway) {
        let mut bound: Vec<&ListenerAddress> = running.listeners.iter().map(|listener| &listener.address).collect();
        for (index, listener) in next.listeners.iter_mut().enumerate() {
            if let Some(place) = bound.iter().position(|bound| stands_for(&listener.address, bound)) {
                listener.address = bound.remove(place).clone();
            } else {
                let what = format!("`{}` is not listened on, and a running gateway binds no other address", listener.address);
                self.report.add(self.listener(index), "listeners.address", needs_restart(what));
            }
        }
        for gone in bound {
            let what = format!("`{gone}` is listened on, and a running gateway does not give an address up");
            self.report.add(self.place(&["listeners"]), "listeners", needs_restart(what));
        }
    }

    fn compare_rest(&self, running: &Gateway, next: &mut Gateway) {
        if stands_for(&next.admin.address, &running.admin.address) {
            next.admin.address = running.admin.address.clone();
        } else {
            let what = format!("is `{}` in the running gateway, which cannot move", running.admin.address);
            self.report.add(self.place(&["admin", "address"]), "admin.address", needs_restart(what));
        }
        let numbers = [
            (["server", "threads"], running.server.threads, next.server.threads),
            (["auth", "token_cache"], running.auth.token_cache, next.auth.token_cache),
        ];
        for (keys, running, next) in numbers {
            if running != next {
                let what = format!("is {running} in the running gateway, and is fixed at the start");
                self.report.add(self.place(&keys), keys.join("."), needs_restart(what));
            }
        }
        if running.state_file != next.state_file {
            let file = running.state_file.as_ref().map_or("none".to_owned(), |path| format!("`{}`", path.display()));
            let what = format!("is {file} in the running gateway, and is read at the start");
            self.report.add(self.place(&["limits", "state_file"]), "limits.state_file", needs_restart(what));
        }
    }

    /// The byte at which the value of a key stands, or the nearest table around it.
    fn place(&self, keys: &[&str]) -> usize {
        let (mut table, mut at) = (self.document, 0);
        for key in keys {
            let Some(value) = table.get(*key) else { break };
            at = value.span().start;
            let Some(inner) = value.get_ref().as_table() else { break };
            table = inner;
        }
        at
    }

    fn listener(&self, index: usize) -> usize {
        let listener = self.document.get("listeners").and_then(|list| list.get_ref().as_array()?.get(index));
        let address = listener.and_then(|listener| listener.get_ref().as_table()?.get("address"));
        address.map_or(0, |address| address.span().start)
    }
}

/// Whether an address of the file is the one that is bound.
pub(crate) fn stands_for(written: &ListenerAddress, bound: &ListenerAddress) -> bool {
    match (written, bound) {
        (ListenerAddress::Tcp(written), ListenerAddress::Tcp(bound)) if written.port() == 0 => written.ip() == bound.ip(),
        _ => written == bound,
    }
}

fn needs_restart(what: String) -> Fault {
    Fault::new(what, "restart the gateway, or take the change back")
}

#[cfg(test)]
mod tests;
