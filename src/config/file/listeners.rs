//! `[[listeners]]` and `[admin]`: addresses that can be bound side by side, the admin's out of strangers' reach.

use super::{Attached, path, section};
use crate::config::{
    Admin, Listener, ListenerAddress, ProxyProtocol, TlsCertificate, TlsListener, address,
    report::{Fault, Placed},
    table::Table,
    url,
};
use std::path::PathBuf;

const PROXY_PROTOCOL: [(&str, ProxyProtocol); 3] =
    [("off", ProxyProtocol::Off), ("optional", ProxyProtocol::Optional), ("required", ProxyProtocol::Required)];

/// Both; files that TLS names go to `attached`.
pub(super) fn listeners(root: &Table<'_>, attached: &mut Vec<Attached>) -> (Vec<Listener>, Admin) {
    root.require("listeners", "write [[listeners]] with `address = \"0.0.0.0:8080\"`");
    let read = root.tables("listeners", |table| listener(table, attached));
    root.refuse_empty("listeners", "is empty", "write [[listeners]] with `address = \"0.0.0.0:8080\"`");
    let listeners: Vec<_> = read.into_iter().flatten().collect();
    refuse_shared_addresses(root, &listeners);
    let admin = section(root, "admin", |table| admin(table, &listeners, attached));
    (listeners.into_iter().map(|placed| placed.value).collect(), admin)
}

fn listener(table: &Table<'_>, attached: &mut Vec<Attached>) -> Option<Placed<Listener>> {
    let address = table.required("address", "write `address = \"0.0.0.0:8080\"`", address::listener);
    let certificates = table.table_or_tables("tls", |table| certificate(table, attached));
    table.refuse_empty("tls", "is empty", "write { certificate = \"…\", private_key = \"…\" }, or remove it");
    let http2 = table.boolean("http2", true);
    let redirect_https = table.boolean("redirect_https", false);
    let proxy_protocol = table.word("proxy_protocol", ProxyProtocol::Off, &PROXY_PROTOCOL);
    let tls = certificates.map(|certificates| tls(table, certificates));
    if tls.is_some() && redirect_https {
        table.refuse("redirect_https", "cannot be on a listener with `tls`", "remove it, or move it to the plain listener");
    }
    let Placed { at, value: address } = address?;
    if tls.is_some() && matches!(address, ListenerAddress::Unix(_)) {
        table.refuse("tls", "cannot be on a unix socket", "remove it, or write an IP address");
    }
    attach_socket(table, at, &address, attached);
    Some(Placed { at, value: Listener { address, tls, http2, redirect_https, proxy_protocol } })
}

fn attach_socket(table: &Table<'_>, at: usize, address: &ListenerAddress, attached: &mut Vec<Attached>) {
    if let ListenerAddress::Unix(path) = address {
        attached.push(Attached::Socket { key: table.full_name("address"), path: Placed { at, value: path.clone() } });
    }
}

struct WrittenCertificate {
    files: Option<TlsCertificate>,
    client_ca: Option<Placed<PathBuf>>,
}

fn certificate(table: &Table<'_>, attached: &mut Vec<Attached>) -> WrittenCertificate {
    let certificate = table.required("certificate", "write the path of a PEM file with the certificate chain", path(table));
    let private_key = table.required("private_key", "write the path of a PEM file with the private key", path(table));
    let client_ca = table.text("client_ca", path(table));
    if let Some(path) = client_ca.clone() {
        attached.push(Attached::Authorities { key: table.full_name("client_ca"), path });
    }
    let files = certificate.zip(private_key).map(|(certificate, private_key)| {
        let files = TlsCertificate { certificate: certificate.value.clone(), private_key: private_key.value.clone() };
        attached.push(Attached::Certificate { certificate, private_key });
        files
    });
    WrittenCertificate { files, client_ca }
}

fn tls(table: &Table<'_>, written: Vec<WrittenCertificate>) -> TlsListener {
    let mut client_ca: Option<Placed<PathBuf>> = None;
    for other in written.iter().filter_map(|certificate| certificate.client_ca.clone()) {
        // Asking is decided before the client says which certificate it wants to see.
        if client_ca.as_ref().is_some_and(|first| first.value != other.value) {
            let fault = Fault::new("differs from another of this listener", "write the same file, or another listener");
            table.fault(other.at, "tls.client_ca", fault);
        }
        client_ca.get_or_insert(other);
    }
    let certificates = written.into_iter().filter_map(|certificate| certificate.files).collect();
    TlsListener { certificates, client_ca: client_ca.map(|placed| placed.value) }
}

fn refuse_shared_addresses(root: &Table<'_>, listeners: &[Placed<Listener>]) {
    for (index, later) in listeners.iter().enumerate() {
        let earlier = listeners[..index].iter().find(|earlier| address::overlap(&earlier.value.address, &later.value.address));
        if let Some(earlier) = earlier {
            let line = root.report().line_of(earlier.at);
            let fault = Fault::new(
                format!("cannot be bound beside the address in line {line}"),
                "write another port, or remove one of them",
            );
            root.fault(later.at, "listeners.address", fault);
        }
    }
}

fn admin(table: &Table<'_>, listeners: &[Placed<Listener>], attached: &mut Vec<Attached>) -> Admin {
    let Placed { at, value: address } = table.text_or("address", "127.0.0.1:9901", address::listener);
    if address::is_public(&address) {
        let remedy = "write a loopback, link-local or private address, as in \"127.0.0.1:9901\", or \"unix:/PATH\"";
        table.fault(at, "address", Fault::new("could be reached by strangers", remedy));
    }
    if let Some(listener) = listeners.iter().find(|listener| address::overlap(&listener.value.address, &address)) {
        let line = table.report().line_of(listener.at);
        let fault = Fault::new(format!("cannot be bound beside the listener in line {line}"), "write another port");
        // Where the admin address is the default, the listener's line is the only one to change.
        let at = if table.place_of("address").is_some() { at } else { listener.at };
        table.fault(at, "address", fault);
    }
    attach_socket(table, at, &address, attached);
    let hosts = table.list("hosts", url::host_name).map(super::values).unwrap_or_default();
    if let Some(token) = table.secret("token", path(table)) {
        attached.push(Attached::AdminToken(token));
    }
    // A token in a variable or a file is read later.
    Admin { address, hosts, token: None }
}

#[cfg(test)]
mod tests;
