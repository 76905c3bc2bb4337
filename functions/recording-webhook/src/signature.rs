//! Twilio's request signature.
//!
//! Source: <https://www.twilio.com/docs/usage/webhooks/webhooks-security>, and `request_validator.py` of Twilio's
//! Python library. The tests at the end of this file agree with it.

use std::collections::{BTreeMap, BTreeSet};

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use secrecy::{ExposeSecret, SecretString};

/// A key that may sign requests to us, with its algorithm.
pub enum SigningKey<'a> {
    /// The account's auth token: HMAC-SHA1.
    AuthToken(&'a SecretString),
    /// A webhook shared key: HMAC-SHA256.
    SharedKey(&'a SecretString),
}

/// The parts of a request that a signature covers.
pub struct SignedRequest<'a> {
    /// The public URL that Twilio was told to call, with the query exactly as it came.
    pub url: String,
    /// True if the body is a form, whose fields are signed.
    pub is_form: bool,
    /// The body, not yet trusted.
    pub body: &'a [u8],
}

impl SignedRequest<'_> {
    /// True if one of `keys` made this signature. The comparison takes constant time.
    ///
    /// Twilio sometimes signs the URL with the default port and sometimes without; both are tried.
    pub fn is_genuine(&self, signature: &str, keys: &[SigningKey<'_>]) -> bool {
        let Ok(signature) = BASE64_STANDARD.decode(signature) else { return false };
        let Some(fields) = self.signed_fields() else { return false };
        let spellings = url_with_and_without_port(&self.url).map(|url| url + &fields);
        keys.iter().any(|key| {
            let key = key.hmac();
            spellings.iter().any(|text| hmac::verify(&key, text.as_bytes(), &signature).is_ok())
        })
    }

    /// The signed text after the URL. It is empty if the URL contains the hash of the body; `None` if the body is not
    /// covered by the signature at all.
    fn signed_fields(&self) -> Option<String> {
        if self.is_form {
            return Some(sorted_fields(self.body));
        }
        let query = self.url.split_once('?').map_or("", |(_, query)| query);
        let stated = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "bodySHA256")?.1;
        let actual: String = digest(&SHA256, self.body).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        (stated == actual).then(String::new)
    }
}

impl SigningKey<'_> {
    fn hmac(&self) -> hmac::Key {
        match self {
            Self::AuthToken(secret) => {
                hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret.expose_secret().as_bytes())
            }
            Self::SharedKey(secret) => hmac::Key::new(hmac::HMAC_SHA256, secret.expose_secret().as_bytes()),
        }
    }
}

/// The names of the fields in code-point order, each followed by its values, sorted and without repetition.
fn sorted_fields(body: &[u8]) -> String {
    let mut fields: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for (name, value) in form_urlencoded::parse(body) {
        fields.entry(name).or_default().insert(value);
    }
    let pairs = fields.iter().flat_map(|(name, values)| values.iter().map(move |value| format!("{name}{value}")));
    pairs.collect()
}

/// The URL without a port, and with the one it has or the scheme's default.
fn url_with_and_without_port(url: &str) -> [String; 2] {
    let Some((scheme, rest)) = url.split_once("://") else { return [url.to_owned(), url.to_owned()] };
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let (host, port) = match authority.rsplit_once(':') {
        // The colons of an IPv6 address stand in brackets, those of a password before the `@`.
        Some((host, port)) if !port.is_empty() && port.bytes().all(|c| c.is_ascii_digit()) => (host, port),
        _ if scheme == "http" => (authority, "80"),
        _ => (authority, "443"),
    };
    [format!("{scheme}://{host}{path}"), format!("{scheme}://{host}:{port}{path}")]
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "https://mycompany.com/myapp.php?foo=1&bar=2";
    const BODY: &str =
        "CallSid=CA1234567890ABCDE&Digits=1234&From=%2B14158675309&To=%2B18005551212&Caller=%2B14158675309";

    fn form(url: &str, body: &str, signature: &str) -> bool {
        check(url, true, body, signature, &[SigningKey::AuthToken(&"12345".into())])
    }

    fn check(url: &str, is_form: bool, body: &str, signature: &str, keys: &[SigningKey<'_>]) -> bool {
        SignedRequest { url: url.into(), is_form, body: body.as_bytes() }.is_genuine(signature, keys)
    }

    #[test]
    fn the_documented_example_is_genuine() {
        assert!(form(URL, BODY, "RSOYDt4T1cUTdK1PDd93/VVr8B8="));
    }

    #[test]
    fn the_port_may_be_signed_or_not_and_be_there_or_not() {
        let with_port = URL.replace(".com/", ".com:443/");
        for url in [URL, &with_port] {
            for signature in ["RSOYDt4T1cUTdK1PDd93/VVr8B8=", "kvajT1Ptam85bY51eRf/AJRuM3w="] {
                assert!(form(url, BODY, signature), "{url} {signature}");
            }
        }
        assert!(form("http://mycompany.com:1234/myapp.php?foo=1&bar=2", BODY, "Zmvh+3yNM1Phv2jhDCwEM3q5ebU="));
        assert!(form("http://mycompany.com/myapp.php?foo=1&bar=2", BODY, "0ZXoZLH/DfblKGATFgpif+LLRf4="));
    }

    #[test]
    fn repeated_fields_are_sorted_and_counted_once() {
        let body = "Sid=CA123&SidAccount=AC123&Digits=5678&Digits=1234&Digits=1234";
        assert!(form(URL, body, "IK+Dwps556ElfBT0I3Rgjkr1wJU="));
    }

    #[test]
    fn blank_and_non_ascii_values_and_the_order_of_code_points() {
        assert!(form("https://example.com/cb", "a=x&B=&A=%C3%A9", "9XAesAY59c2LF706W95f0Gzpuv4="));
    }

    #[test]
    fn a_shared_key_signs_with_sha256_and_with_nothing_else() {
        let shared = "12345".into();
        let sha256 = "033hgUJA9M/hXIZsYjwkerEP/DBm35nEri5FhCYjA5s=";
        assert!(check(URL, true, BODY, sha256, &[SigningKey::SharedKey(&shared)]));
        assert!(!check(URL, true, BODY, sha256, &[SigningKey::AuthToken(&shared)]));
        assert!(!check(URL, true, BODY, "RSOYDt4T1cUTdK1PDd93/VVr8B8=", &[SigningKey::SharedKey(&shared)]));
    }

    #[test]
    fn any_of_several_keys_will_do_and_no_key_will_not() {
        let (old, new) = ("old".into(), "12345".into());
        let signature = "RSOYDt4T1cUTdK1PDd93/VVr8B8=";
        assert!(check(URL, true, BODY, signature, &[SigningKey::AuthToken(&old), SigningKey::AuthToken(&new)]));
        assert!(!check(URL, true, BODY, signature, &[SigningKey::AuthToken(&old)]));
        assert!(!check(URL, true, BODY, signature, &[]));
    }

    #[test]
    fn a_body_that_is_no_form_is_vouched_for_by_its_hash_in_the_url() {
        let body = r#"{"property": "value", "boolean": true}"#;
        let url = "https://mycompany.com/myapp.php?foo=1&bar=2&bodySHA256=0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620";
        let genuine = |url: &str, body: &str| {
            check(url, false, body, "a9nBmqA0ju/hNViExpshrM61xv4=", &[SigningKey::AuthToken(&"12345".into())])
        };
        assert!(genuine(url, body));
        assert!(!genuine(url, "{}"));
        assert!(!genuine(&url.replace("0a1f", "0a1e"), body));
        assert!(!genuine("https://mycompany.com/myapp.php", body));
    }

    #[test]
    fn whatever_is_changed_makes_the_signature_fail() {
        let signature = "RSOYDt4T1cUTdK1PDd93/VVr8B8=";
        assert!(!form(&URL.replace("foo=1", "foo=2"), BODY, signature));
        assert!(!form(&URL.replace("foo=1&bar=2", "bar=2&foo=1"), BODY, signature));
        assert!(!form(&URL.replace("https", "http"), BODY, signature));
        assert!(!form(URL, &BODY.replace("1234&", "1235&"), signature));
        assert!(!form(URL, &format!("{BODY}&Extra="), signature));
        for wrong in ["", "RSOYDt4T1cUTdK1PDd93/VVr8B8", "rSOYDt4T1cUTdK1PDd93/VVr8B8=", "é"] {
            assert!(!form(URL, BODY, wrong), "{wrong}");
        }
    }

    #[test]
    fn an_ipv6_host_or_a_password_is_not_a_port() {
        assert_eq!(url_with_and_without_port("https://[::1]/x"), ["https://[::1]/x", "https://[::1]:443/x"]);
        assert_eq!(url_with_and_without_port("https://u:p@h?q"), ["https://u:p@h?q", "https://u:p@h:443?q"]);
        assert_eq!(url_with_and_without_port("https://h:8443"), ["https://h", "https://h:8443"]);
        assert_eq!(url_with_and_without_port("http://h/x"), ["http://h/x", "http://h:80/x"]);
    }
}
