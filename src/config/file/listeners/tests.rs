//! What `[[listeners]]` and `[admin]` may say, and what is made of it.

use crate::config::{
    ProxyProtocol,
    file::tests::{accepted, check, check_whole},
};

#[test]
fn a_listener_needs_an_address() {
    check(
        r"[[listeners]]
http2 = true",
        r#"1:1: listeners.address: is missing; write `address = "0.0.0.0:8080"`"#,
    );
}

#[test]
fn a_name_is_not_an_address() {
    check(
        r#"[[listeners]]
address = "localhost:8080""#,
        r#"2:11: listeners.address: `localhost:8080` is not an address; write IP:PORT, as in "0.0.0.0:8080" or "[::]:8080", or "unix:/PATH""#,
    );
}

#[test]
fn a_port_alone_is_not_an_address() {
    check(
        r#"[[listeners]]
address = ":8080""#,
        r#"2:11: listeners.address: `:8080` is not an address; write IP:PORT, as in "0.0.0.0:8080" or "[::]:8080", or "unix:/PATH""#,
    );
}

#[test]
fn a_socket_path_is_absolute() {
    check(
        r#"[[listeners]]
address = "unix:gateway.sock""#,
        r#"2:11: listeners.address: `gateway.sock` is not the absolute path of a socket; write "unix:/run/NAME.sock""#,
    );
}

#[test]
fn an_address_is_bound_once() {
    check(
        r#"[[listeners]]
address = "127.0.0.1:8080"
[[listeners]]
address = "127.0.0.1:8080""#,
        "4:11: listeners.address: cannot be bound beside the address in line 2; write another port, or remove one of them",
    );
}

#[test]
fn all_addresses_include_each_one() {
    check(
        r#"[[listeners]]
address = "0.0.0.0:8080"
[[listeners]]
address = "127.0.0.1:8080""#,
        "4:11: listeners.address: cannot be bound beside the address in line 2; write another port, or remove one of them",
    );
}

#[test]
fn a_list_without_listeners_is_refused() {
    check_whole(
        r#"listeners = []
[upstreams.api]
servers = ["http://127.0.0.1:3000"]
[[auth.issuers]]
issuer = "https://issuer.example"
client_ids = "any""#,
        r#"1:13: listeners: is empty; write [[listeners]] with `address = "0.0.0.0:8080"`"#,
    );
}

#[test]
fn a_listener_with_tls_cannot_redirect() {
    check(
        r#"[[listeners]]
address = "127.0.0.1:8443"
tls = { certificate = "c.pem", private_key = "k.pem" }
redirect_https = true"#,
        "4:18: listeners.redirect_https: cannot be on a listener with `tls`; remove it, or move it to the plain listener",
    );
}

#[test]
fn tls_needs_both_files() {
    check(
        r#"[[listeners]]
address = "127.0.0.1:8443"
tls = { certificate = "c.pem" }"#,
        "3:7: listeners.tls.private_key: is missing; write the path of a PEM file with the private key",
    );
}

#[test]
fn tls_needs_a_certificate() {
    check(
        r#"[[listeners]]
address = "127.0.0.1:8443"
tls = []"#,
        r#"3:7: listeners.tls: is empty; write { certificate = "…", private_key = "…" }, or remove it"#,
    );
}

#[test]
fn a_unix_socket_has_no_tls() {
    check(
        r#"[[listeners]]
address = "unix:/run/a.sock"
tls = { certificate = "c.pem", private_key = "k.pem" }"#,
        "3:7: listeners.tls: cannot be on a unix socket; remove it, or write an IP address",
    );
}

#[test]
fn clients_are_asked_by_one_list_of_authorities() {
    check(
        r#"[[listeners]]
address = "127.0.0.1:8443"
tls = [
{ certificate = "c.pem", private_key = "k.pem", client_ca = "a.pem" },
{ certificate = "d.pem", private_key = "l.pem", client_ca = "b.pem" },
]"#,
        "5:61: listeners.tls.client_ca: differs from another of this listener; write the same file, or another listener",
    );
}

#[test]
fn a_key_in_place_of_its_path_is_not_shown() {
    check(
        r#"[[listeners]]
address = "127.0.0.1:8443"
tls = { certificate = "c.pem", private_key = "-----BEGIN PRIVATE KEY-----MIG" }"#,
        "3:46: listeners.tls.private_key: is not the path of a file; write a path; a relative one starts from this file's folder",
    );
}

#[test]
fn there_are_three_words_for_the_proxy_protocol() {
    check(
        r#"[[listeners]]
address = "127.0.0.1:8080"
proxy_protocol = "v2""#,
        r#"3:18: listeners.proxy_protocol: `v2` is not known; write one of "off", "optional", "required""#,
    );
}

#[test]
fn the_admin_is_not_on_a_public_address() {
    check(
        r#"[admin]
address = "203.0.113.7:9901""#,
        r#"2:11: admin.address: could be reached by strangers; write a loopback, link-local or private address, as in "127.0.0.1:9901", or "unix:/PATH""#,
    );
}

#[test]
fn the_admin_is_not_on_all_addresses() {
    check(
        r#"[admin]
address = "0.0.0.0:9901""#,
        r#"2:11: admin.address: could be reached by strangers; write a loopback, link-local or private address, as in "127.0.0.1:9901", or "unix:/PATH""#,
    );
}

#[test]
fn the_admin_is_not_on_a_mapped_public_address() {
    check(
        r#"[admin]
address = "[::ffff:8.8.8.8]:9901""#,
        r#"2:11: admin.address: could be reached by strangers; write a loopback, link-local or private address, as in "127.0.0.1:9901", or "unix:/PATH""#,
    );
}

#[test]
fn the_admin_has_an_address_of_its_own() {
    check(
        r#"[admin]
address = "127.0.0.1:8080""#,
        "2:11: admin.address: cannot be bound beside the listener in line 4; write another port",
    );
}

#[test]
fn a_listener_on_the_admins_default_address_is_refused() {
    check(
        r#"[[listeners]]
address = "127.0.0.1:9901""#,
        "2:11: admin.address: cannot be bound beside the listener in line 2; write another port",
    );
}

#[test]
fn an_admin_host_is_a_name() {
    check(
        r#"[admin]
hosts = ["http://gateway"]"#,
        r#"2:10: admin.hosts: is not a host name; write a name, as in "api.example.com", without scheme and port"#,
    );
}

#[test]
fn an_admin_token_is_in_one_place() {
    let remedy = "write { file = \"PATH\" } or { env = \"NAME\" }";
    check("[admin]\ntoken = 7", &format!("2:9: admin.token: is a whole number; {remedy}"));
    check("[admin]\ntoken = {}", &format!("2:9: admin.token: is not said to be in one place; {remedy}"));
    let twice = "[admin]\ntoken = { env = \"TOKEN\", file = \"token\" }";
    check(twice, &format!("2:9: admin.token: is not said to be in one place; {remedy}"));
    check("[admin]\ntoken = { env = \"TOKEN\" }", "");
    check("[admin]\ntoken = { file = \"token\" }", "");
    check("[admin]\ntoken = \"hunter2\"", "");
}

#[test]
fn a_single_bracket_is_not_a_list_of_tables() {
    let text = "[listeners]\naddress = \"127.0.0.1:1\"\n[upstreams.a]\nservers = [\"http://a\"]\n[[auth.issuers]]\nissuer = \"https://i\"\nclient_ids = \"any\"";
    check_whole(text, "1:1: listeners: is a table; write [[listeners]]");
}

#[test]
fn one_table_or_a_list_of_them_is_tls() {
    let one = accepted("[[listeners]]\naddress = \"[::1]:8443\"\ntls = { certificate = \"c.pem\", private_key = \"/k.pem\" }");
    let tls = one.listeners[0].tls.clone().unwrap_or_else(|| panic!("no TLS"));
    assert_eq!(tls.certificates[0].certificate.to_str(), Some("/etc/gateway/c.pem"));
    assert_eq!(tls.certificates[0].private_key.to_str(), Some("/k.pem"));
    let two = accepted(
        "[[listeners]]\naddress = \"0.0.0.0:443\"\ntls = [{ certificate = \"c\", private_key = \"k\" }, { certificate = \"d\", private_key = \"l\" }]",
    );
    assert_eq!(two.listeners[0].tls.as_ref().map(|tls| tls.certificates.len()), Some(2));
    assert_eq!(two.attached.len(), 2);
}

#[test]
fn a_listener_takes_the_proxy_protocol_when_it_is_told_to() {
    let read = accepted(
        "[[listeners]]\naddress = \"127.0.0.1:1\"\nproxy_protocol = \"off\"\n\
         [[listeners]]\naddress = \"127.0.0.1:2\"\nproxy_protocol = \"optional\"\n\
         [[listeners]]\naddress = \"unix:/run/a\"\nproxy_protocol = \"required\"\n\
         [[listeners]]\naddress = \"127.0.0.1:4\"",
    );
    let modes: Vec<_> = read.listeners.iter().map(|listener| listener.proxy_protocol).collect();
    assert_eq!(modes, [ProxyProtocol::Off, ProxyProtocol::Optional, ProxyProtocol::Required, ProxyProtocol::Off]);
}

#[test]
fn free_ports_are_never_the_same_port() {
    accepted(
        "[[listeners]]\naddress = \"127.0.0.1:0\"\n[[listeners]]\naddress = \"127.0.0.1:0\"\n[admin]\naddress = \"127.0.0.1:0\"",
    );
}

#[test]
fn the_admin_may_be_on_private_addresses_and_sockets() {
    for address in [
        "127.0.0.2:1",
        "10.1.2.3:1",
        "172.31.0.1:1",
        "192.168.0.1:1",
        "100.64.0.1:1",
        "[::1]:1",
        "[fd00::1]:1",
        "[fe80::1]:1",
        "unix:/run/a",
    ] {
        accepted(&format!("[admin]\naddress = \"{address}\""));
    }
}
