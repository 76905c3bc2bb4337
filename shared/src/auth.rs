//! Authentication: proves by an access token which Supabase user is calling.
//!
//! The user's rights are not decided here: the database knows their organisation and role.

use std::time::{Duration, Instant};

use http::{HeaderMap, header};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use reqwest::Client;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::sync::Mutex;
use uuid::Uuid;

use crate::error::Error;
use crate::refusal::Refusal;

/// Lifetime of the keys in memory: Supabase's edge caches the key set for as long, and asks others to cache it no
/// longer (<https://supabase.com/docs/guides/auth/signing-keys>).
const KEYS_LIVE: Duration = Duration::from_secs(600);
/// A token that names an unknown key makes us fetch the keys again, at most once in this time.
const REFETCH_EVERY: Duration = Duration::from_secs(60);
/// The clocks of Supabase and of Lambda may differ by this much.
const LEEWAY: Duration = Duration::from_secs(10);
const FETCH_TIMEOUT: Duration = Duration::from_secs(3);

/// Verifies the access tokens of one Supabase project.
pub struct Verifier {
    http: Client,
    jwks_url: String,
    issuer: String,
    keys: Mutex<Keys>,
}

#[derive(Default)]
struct Keys {
    set: Option<JwkSet>,
    /// The time of the last fetch, successful or not, since failing fetches must be bounded as well.
    tried_at: Option<Instant>,
}

impl Keys {
    fn find(&self, kid: &str) -> Option<&Jwk> {
        self.set.as_ref()?.find(kid)
    }
}

#[derive(Deserialize)]
struct Claims {
    sub: Uuid,
    role: String,
    /// Present in the tokens of OAuth clients: third parties that the user has allowed to act for them.
    client_id: Option<serde::de::IgnoredAny>,
    #[serde(default)]
    is_anonymous: bool,
}

impl Verifier {
    /// Accepts the tokens of the project at `supabase_url`. `issuer` is the issuer that they name: the project's own
    /// address with `/auth/v1`, or that of its custom domain. The keys are read from `supabase_url`.
    ///
    /// Source: <https://supabase.com/docs/guides/platform/custom-domains>
    pub fn new(http: Client, supabase_url: &str, issuer: String) -> Self {
        let jwks_url = format!("{supabase_url}/auth/v1/.well-known/jwks.json");
        Self { http, jwks_url, issuer, keys: Mutex::default() }
    }

    /// The id of the user whose token the request carries.
    ///
    /// ES256, RS256 and EdDSA are verified with the project's published keys. HS256 is accepted only where a
    /// `legacy_secret` is configured, and never with a published key: a public key is no secret.
    ///
    /// A token of an OAuth client is refused, although it names the user: the user has allowed a third party to see who
    /// they are, not to have voices cloned in their name.
    ///
    /// Source: <https://supabase.com/docs/guides/auth/jwts>, <https://supabase.com/docs/guides/auth/jwt-fields>
    pub async fn user(&self, headers: &HeaderMap, legacy_secret: Option<&SecretString>) -> Result<Uuid, Error> {
        let token = bearer_token(headers)?;
        let header = decode_header(token).map_err(|_| Refusal::TokenInvalid)?;
        let key = match (header.alg, legacy_secret) {
            (Algorithm::ES256 | Algorithm::RS256 | Algorithm::EdDSA, _) => {
                self.published_key(header.alg, header.kid.as_deref().ok_or(Refusal::TokenInvalid)?).await?
            }
            (Algorithm::HS256, Some(secret)) => DecodingKey::from_secret(secret.expose_secret().as_bytes()),
            _ => return Err(Refusal::TokenInvalid.into()),
        };
        let claims = self.claims(token, header.alg, &key)?;
        if claims.role != "authenticated" || claims.client_id.is_some() {
            return Err(Refusal::TokenInvalid.into());
        }
        if claims.is_anonymous {
            return Err(Refusal::TokenAnonymous.into());
        }
        Ok(claims.sub)
    }

    fn claims(&self, token: &str, algorithm: Algorithm, key: &DecodingKey) -> Result<Claims, Refusal> {
        let mut validation = Validation::new(algorithm);
        validation.set_required_spec_claims(&["exp", "aud", "iss", "sub"]);
        validation.set_audience(&["authenticated"]);
        validation.set_issuer(&[&self.issuer]);
        validation.validate_nbf = true;
        validation.leeway = LEEWAY.as_secs();
        match decode(token, key, &validation) {
            Ok(token) => Ok(token.claims),
            Err(error) if matches!(error.kind(), ErrorKind::ExpiredSignature) => Err(Refusal::TokenExpired),
            Err(_) => Err(Refusal::TokenInvalid),
        }
    }

    /// The project's published key with this id. It is an error if the key is not for this algorithm.
    async fn published_key(&self, algorithm: Algorithm, kid: &str) -> Result<DecodingKey, Error> {
        let mut keys = self.keys.lock().await;
        let good_for = if keys.find(kid).is_some() { KEYS_LIVE } else { REFETCH_EVERY };
        if keys.tried_at.is_none_or(|at| at.elapsed() >= good_for) {
            keys.tried_at = Some(Instant::now());
            keys.set = Some(self.fetch_keys().await?);
        }
        if keys.set.is_none() {
            return Err(Error::unavailable("reading Supabase's signing keys")("they could not be read a moment ago"));
        }
        let key = keys.find(kid).ok_or(Refusal::TokenInvalid)?;
        // A key that states its algorithm is used with no other.
        if key.common.key_algorithm.is_some_and(|stated| stated.to_string() != format!("{algorithm:?}")) {
            return Err(Refusal::TokenInvalid.into());
        }
        DecodingKey::from_jwk(key).map_err(|_| Refusal::TokenInvalid.into())
    }

    async fn fetch_keys(&self) -> Result<JwkSet, Error> {
        let unavailable =
            |error: reqwest::Error| Error::unavailable("reading Supabase's signing keys")(error.without_url());
        let request = self.http.get(&self.jwks_url).timeout(FETCH_TIMEOUT);
        let response = request.send().await.and_then(reqwest::Response::error_for_status).map_err(unavailable)?;
        response.json().await.map_err(unavailable)
    }
}

fn bearer_token(headers: &HeaderMap) -> Result<&str, Refusal> {
    let header = headers.get(header::AUTHORIZATION).ok_or(Refusal::TokenMissing)?;
    let (scheme, token) = header.to_str().ok().and_then(|value| value.split_once(' ')).ok_or(Refusal::TokenInvalid)?;
    if scheme.eq_ignore_ascii_case("bearer") { Ok(token.trim()) } else { Err(Refusal::TokenInvalid) }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
    use base64::Engine;
    use base64::prelude::BASE64_URL_SAFE_NO_PAD;
    use http::HeaderValue;
    use jsonwebtoken::{EncodingKey, Header, encode, get_current_timestamp};
    use serde_json::{Value, json};
    use wiremock::matchers::path;
    use wiremock::{Mock, MockServer, ResponseTemplate};

    use super::*;
    use crate::answer;

    /// Positions of the X and the Y coordinate in an uncompressed point.
    const X: std::ops::Range<usize> = 1..33;
    const Y: std::ops::Range<usize> = 33..65;
    const CUSTOM: &str = "https://auth.example.com/auth/v1";
    const LEGACY: &str = "a-legacy-secret-of-a-project-that-has-not-rotated";

    struct Project {
        server: MockServer,
        signing_key: EncodingKey,
        published_key: Value,
        verifier: Verifier,
    }

    impl Project {
        async fn start() -> Self {
            let server = MockServer::start().await;
            let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).unwrap();
            let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref()).unwrap();
            let coordinate = |place| BASE64_URL_SAFE_NO_PAD.encode(&pair.public_key().as_ref()[place]);
            let published_key = json!({
                "kty": "EC", "crv": "P-256", "kid": "k1", "alg": "ES256", "x": coordinate(X), "y": coordinate(Y),
            });
            let jwks = ResponseTemplate::new(200).set_body_json(json!({"keys": [published_key]}));
            Mock::given(path("/auth/v1/.well-known/jwks.json")).respond_with(jwks).mount(&server).await;
            let verifier = Verifier::new(crate::clients::http_client(), &server.uri(), issuer_of(&server));
            Self { server, signing_key: EncodingKey::from_ec_der(pkcs8.as_ref()), published_key, verifier }
        }

        fn claims(&self) -> Value {
            json!({
                "iss": issuer_of(&self.server), "aud": "authenticated", "role": "authenticated",
                "sub": "11111111-1111-4111-8111-111111111111", "exp": get_current_timestamp() + 600,
            })
        }

        fn es256(&self, kid: &str, claims: &Value) -> String {
            let header = Header { kid: Some(kid.into()), ..Header::new(Algorithm::ES256) };
            encode(&header, claims, &self.signing_key).unwrap()
        }

        async fn user(&self, token: &str) -> Result<Uuid, Error> {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {token}")).unwrap());
            self.verifier.user(&headers, None).await
        }

        async fn refusal(&self, token: &str) -> &'static str {
            match self.user(token).await {
                Err(Error::Refused { refusal, .. }) => refusal.code(),
                other => panic!("not a refusal: {other:?}"),
            }
        }

        async fn fetches(&self) -> usize {
            self.server.received_requests().await.unwrap().len()
        }
    }

    fn issuer_of(server: &MockServer) -> String {
        format!("{}/auth/v1", server.uri())
    }

    fn hs256(secret: &[u8], claims: &Value) -> String {
        let header = Header { kid: Some("k1".into()), ..Header::new(Algorithm::HS256) };
        encode(&header, claims, &EncodingKey::from_secret(secret)).unwrap()
    }

    #[tokio::test]
    async fn a_token_of_the_project_names_its_user_and_the_keys_are_fetched_once() {
        let project = Project::start().await;
        let token = project.es256("k1", &project.claims());
        for _ in 0..3 {
            assert_eq!(project.user(&token).await.unwrap().to_string(), "11111111-1111-4111-8111-111111111111");
        }
        assert_eq!(project.fetches().await, 1);
    }

    #[tokio::test]
    async fn each_claim_is_required_and_checked() {
        let project = Project::start().await;
        let cases = [
            ("exp", json!(get_current_timestamp() - 30), "token_expired"),
            ("exp", Value::Null, "token_invalid"),
            ("aud", json!("anon"), "token_invalid"),
            ("aud", Value::Null, "token_invalid"),
            ("iss", json!("https://other.supabase.co/auth/v1"), "token_invalid"),
            ("iss", Value::Null, "token_invalid"),
            ("sub", Value::Null, "token_invalid"),
            ("sub", json!("not-a-uuid"), "token_invalid"),
            ("nbf", json!(get_current_timestamp() + 600), "token_invalid"),
            ("is_anonymous", json!(true), "token_anonymous"),
            ("role", json!("service_role"), "token_invalid"),
            ("role", json!("anon"), "token_invalid"),
            ("role", Value::Null, "token_invalid"),
            ("client_id", json!("7a1c0e9e-5a55-4b6e-9d0c-0d1f6a3b8c11"), "token_invalid"),
        ];
        for (claim, value, code) in cases {
            let mut claims = project.claims();
            match &value {
                Value::Null => drop(claims.as_object_mut().unwrap().remove(claim)),
                value => claims[claim] = value.clone(),
            }
            assert_eq!(project.refusal(&project.es256("k1", &claims)).await, code, "{claim} = {value}");
        }
    }

    #[tokio::test]
    async fn a_project_with_a_custom_domain_issues_tokens_in_its_name_and_in_no_other() {
        let mut project = Project::start().await;
        let in_its_own_name = project.es256("k1", &project.claims());
        let mut claims = project.claims();
        claims["iss"] = CUSTOM.into();
        let in_the_domains_name = project.es256("k1", &claims);
        assert_eq!(project.refusal(&in_the_domains_name).await, "token_invalid");
        project.verifier = Verifier::new(crate::clients::http_client(), &project.server.uri(), CUSTOM.to_owned());
        assert!(project.user(&in_the_domains_name).await.is_ok());
        assert_eq!(project.refusal(&in_its_own_name).await, "token_invalid");
    }

    #[tokio::test]
    async fn a_project_that_signs_with_eddsa_is_understood_and_its_keys_verify_nothing_else() {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        let pair = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap();
        let x = BASE64_URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
        let project = Project::start().await;
        project.server.reset().await;
        let key = json!({"kty": "OKP", "crv": "Ed25519", "kid": "k1", "alg": "EdDSA", "x": x});
        let jwks = ResponseTemplate::new(200).set_body_json(json!({"keys": [key]}));
        Mock::given(path("/auth/v1/.well-known/jwks.json")).respond_with(jwks).mount(&project.server).await;

        let header = Header { kid: Some("k1".into()), ..Header::new(Algorithm::EdDSA) };
        let token = encode(&header, &project.claims(), &EncodingKey::from_ed_der(pkcs8.as_ref())).unwrap();
        assert!(project.user(&token).await.is_ok());
        assert_eq!(project.refusal(&token[..token.len() - 4]).await, "token_invalid");
        assert_eq!(project.refusal(&project.es256("k1", &project.claims())).await, "token_invalid");
    }

    #[tokio::test]
    async fn a_token_signed_with_an_empty_key_is_refused_where_the_legacy_secret_is_empty() {
        let project = Project::start().await;
        let secret = json!({"secret_key": "sb_secret_0123456789abcdef", "jwt_secret": ""});
        let secret: crate::clients::supabase::SupabaseSecret = serde_json::from_value(secret).unwrap();
        let mut headers = HeaderMap::new();
        let token = format!("Bearer {}", hs256(b"", &project.claims()));
        headers.insert(header::AUTHORIZATION, HeaderValue::from_str(&token).unwrap());
        let answer = project.verifier.user(&headers, secret.jwt_secret.as_ref()).await;
        assert!(matches!(answer, Err(Error::Refused { refusal: Refusal::TokenInvalid, .. })), "{answer:?}");
    }

    #[tokio::test]
    async fn a_token_signed_with_the_published_key_as_hmac_secret_is_refused() {
        let project = Project::start().await;
        let key = &project.published_key;
        for secret in [key["x"].as_str().unwrap(), key["y"].as_str().unwrap(), &key.to_string()] {
            assert_eq!(project.refusal(&hs256(secret.as_bytes(), &project.claims())).await, "token_invalid");
        }
    }

    #[tokio::test]
    async fn a_token_without_a_signature_is_refused() {
        let project = Project::start().await;
        let signed = project.es256("k1", &project.claims());
        let payload = signed.split('.').nth(1).unwrap();
        // {"alg":"none","typ":"JWT"}
        let unsigned = format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{payload}.");
        assert_eq!(project.refusal(&unsigned).await, "token_invalid");
        assert_eq!(project.refusal(&signed[..signed.len() - 4]).await, "token_invalid");
        assert_eq!(project.fetches().await, 1);
    }

    #[tokio::test]
    async fn unknown_key_ids_make_us_fetch_the_keys_no_oftener_than_once_a_minute() {
        let project = Project::start().await;
        for kid in ["k1", "k2", "k3", "k4"] {
            let _ = project.user(&project.es256(kid, &project.claims())).await;
        }
        assert_eq!(project.fetches().await, 1);
    }

    #[tokio::test]
    async fn hs256_is_accepted_only_with_a_configured_legacy_secret() {
        let project = Project::start().await;
        let token = hs256(LEGACY.as_bytes(), &project.claims());
        assert_eq!(project.refusal(&token).await, "token_invalid");

        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, HeaderValue::from_str(&format!("bearer {token}")).unwrap());
        assert!(project.verifier.user(&headers, Some(&LEGACY.into())).await.is_ok());
    }

    #[tokio::test]
    async fn a_request_without_a_bearer_token_is_told_so() {
        let project = Project::start().await;
        let missing = project.verifier.user(&HeaderMap::new(), None).await;
        assert!(matches!(missing, Err(Error::Refused { refusal: Refusal::TokenMissing, .. })));
        assert_eq!(project.refusal("").await, "token_invalid");
        assert_eq!(project.fetches().await, 0);
    }

    #[tokio::test]
    async fn keys_that_cannot_be_fetched_are_our_failure_not_the_callers() {
        let project = Project::start().await;
        project.server.reset().await;
        for _ in 0..3 {
            let error = project.user(&project.es256("k1", &project.claims())).await.unwrap_err();
            assert_eq!(answer::problem(error).status(), http::StatusCode::SERVICE_UNAVAILABLE);
        }
        assert_eq!(project.fetches().await, 1);
    }
}
