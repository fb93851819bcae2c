//! Tokens forged in the usual ways, and all keys that may sign honest ones: what counts, and why the rest does not.

#[path = "support/tokens.rs"]
mod tokens;

use peerhub::access::{Checker, Keys, Rules, SigningKey, TokenFault, Wanted};
use serde_json::{Value, json};
use tokens::{HS256, SECRET, base64url, checker, key, rules, signed, token};

/// The present: in September 2026, s and ms since 1970.
const NOW_S: u64 = 1_790_000_000;
const NOW_MS: u64 = NOW_S * 1_000;

fn judged(token: &str) -> Result<Option<String>, TokenFault> {
    let grant = checker(rules()).check(token, NOW_MS, &mut 0)?;
    Ok(grant.subject.map(String::from))
}

fn claims(more: Value) -> Value {
    let mut claims = json!({"sub": "ann", "exp": NOW_S + 60});
    for (name, value) in more.as_object().expect("an object") {
        claims[name] = value.clone();
    }
    claims
}

fn public_keys(names: &[&str]) -> Checker {
    let mut keys = Keys::new();
    for name in names {
        keys.add_public_pem(&key(name)).expect(name);
    }
    Checker::new(keys, rules())
}

fn minted(private_key: &str) -> String {
    let wanted = Wanted {
        sub: Some("ann".to_owned()),
        exp: NOW_S + 60,
        ..Wanted::default()
    };
    let signing = SigningKey::from_pem(&key(private_key)).expect("a private key");
    signing.sign(&wanted).expect("it signs")
}

#[test]
fn an_honest_token_counts() {
    assert_eq!(
        judged(&token(&claims(json!({})))),
        Ok(Some("ann".to_owned()))
    );
    let nobody = token(&json!({"exp": NOW_S + 60}));
    assert_eq!(judged(&nobody), Ok(None));
}

#[test]
fn a_token_without_a_signature_of_ours_never_counts() {
    let payload = claims(json!({})).to_string();
    let honest = token(&claims(json!({})));
    let (message, signature) = honest.rsplit_once('.').unwrap();
    let none = |alg: &str| {
        let header = base64url(format!(r#"{{"alg":"{alg}","typ":"JWT"}}"#).as_bytes());
        format!("{header}.{}.", base64url(payload.as_bytes()))
    };
    let other_payload = base64url(claims(json!({"sub": "bob"})).to_string().as_bytes());
    let header = base64url(HS256.as_bytes());
    let cut = &honest[..honest.len() - 3];
    let forged = [
        (none("none"), TokenFault::Malformed),
        (none("None"), TokenFault::Malformed),
        (none("HS256"), TokenFault::Malformed),
        (
            format!("{}{signature}", none("none")),
            TokenFault::Malformed,
        ),
        (
            format!("{header}.{other_payload}.{signature}"),
            TokenFault::Signature,
        ),
        (
            signed(HS256, &payload, b"another secret of more than 32 bytes"),
            TokenFault::Signature,
        ),
        (signed(HS256, &payload, b""), TokenFault::Signature),
        (cut.to_owned(), TokenFault::Signature),
        (format!("{message}.AAAA"), TokenFault::Signature),
        (message.to_owned(), TokenFault::Malformed),
        (format!("{honest}.{signature}"), TokenFault::Malformed),
        (String::new(), TokenFault::Malformed),
        ("..".to_owned(), TokenFault::Malformed),
        ("a.b.c".to_owned(), TokenFault::Malformed),
        (format!(" {honest}"), TokenFault::Malformed),
        (format!("{honest}\n"), TokenFault::Malformed),
        (format!("{honest}="), TokenFault::Malformed),
        (honest.replace('.', ". "), TokenFault::Malformed),
        (format!("Bearer {honest}"), TokenFault::Malformed),
        (format!("{honest}\0"), TokenFault::Malformed),
        (honest.replacen('e', "é", 1), TokenFault::Malformed),
    ];
    for (token, fault) in forged {
        assert_eq!(judged(&token), Err(fault), "{token:?}");
    }
}

#[test]
fn the_algorithm_is_that_of_the_key_and_not_of_the_token() {
    let payload = claims(json!({})).to_string();
    for alg in ["HS384", "HS512", "RS256", "ES256", "EdDSA", "PS256"] {
        let header = format!(r#"{{"alg":"{alg}"}}"#);
        let token = signed(&header, &payload, SECRET.as_bytes());
        assert_eq!(judged(&token), Err(TokenFault::NoKey), "{alg}");
    }
    for alg in ["hs256", "HS257", "", "RS1"] {
        let header = format!(r#"{{"alg":"{alg}"}}"#);
        let token = signed(&header, &payload, SECRET.as_bytes());
        assert_eq!(judged(&token), Err(TokenFault::Malformed), "{alg}");
    }
    let twice = signed(
        r#"{"alg":"none","alg":"HS256"}"#,
        &payload,
        SECRET.as_bytes(),
    );
    assert_eq!(judged(&twice), Err(TokenFault::Malformed));
    // The public key is known to everybody: it must not pass for a secret, in whatever form.
    for name in [
        "ed25519-public.pem",
        "p256-public.pem",
        "rsa2048-public.pem",
    ] {
        let pem = key(name);
        let checker = public_keys(&[name]);
        for secret in [&pem[..], pem.trim_ascii_end()] {
            let confused = signed(HS256, &payload, secret);
            assert_eq!(
                checker.check(&confused, NOW_MS, &mut 0),
                Err(TokenFault::NoKey),
                "{name}"
            );
        }
        for alg in ["EdDSA", "ES256", "RS256"] {
            let header = format!(r#"{{"alg":"{alg}"}}"#);
            let confused = signed(&header, &payload, &pem);
            assert!(
                checker.check(&confused, NOW_MS, &mut 0).is_err(),
                "{name} {alg}"
            );
        }
    }
}

#[test]
fn keys_in_the_header_are_not_looked_at() {
    let payload = claims(json!({})).to_string();
    let own = b"a secret of the forger's, of 32 bytes or more";
    let jwk = json!({"kty": "oct", "k": base64url(own)});
    for more in [
        json!({"jwk": jwk}),
        json!({"jku": "http://127.0.0.1:1/jwks.json"}),
        json!({"x5u": "http://127.0.0.1:1/cert.pem"}),
        json!({"x5c": ["AAAA"]}),
        json!({"kid": "../../dev/null"}),
    ] {
        let mut header = more.clone();
        header["alg"] = "HS256".into();
        let forged = signed(&header.to_string(), &payload, own);
        let fault = judged(&forged).expect_err("forged");
        assert!(
            matches!(fault, TokenFault::Signature | TokenFault::Malformed),
            "{more} {fault:?}"
        );
    }
    let critical = r#"{"alg":"HS256","crit":["b64"],"b64":false}"#;
    assert!(judged(&signed(critical, &payload, SECRET.as_bytes())).is_err());
}

#[test]
fn times_are_kept_with_the_leeway() {
    let at = |claims: Value| judged(&token(&claims));
    let counts = Ok(Some("ann".to_owned()));
    for (exp, judgement) in [
        (json!(NOW_S + 1), counts.clone()),
        (json!(NOW_S), counts.clone()),
        (json!(NOW_S - 4), counts.clone()),
        (json!(NOW_S as f64 - 4.5), counts.clone()),
        (json!(NOW_S - 5), Err(TokenFault::Expired)),
        (json!(0), Err(TokenFault::Expired)),
        (json!(-1), Err(TokenFault::Claims)),
        (json!(NOW_MS), Err(TokenFault::Claims)),
        (json!(1e300), Err(TokenFault::Claims)),
        (json!("9999999999"), Err(TokenFault::Claims)),
        (json!(true), Err(TokenFault::Claims)),
        (json!([NOW_S + 60]), Err(TokenFault::Claims)),
        (Value::Null, Err(TokenFault::Claims)),
    ] {
        let found = at(json!({"sub": "ann", "exp": exp}));
        assert_eq!(found, judgement, "exp {exp}");
    }
    assert_eq!(at(json!({"sub": "ann"})), Err(TokenFault::Claims));
    for (nbf, judgement) in [
        (json!(NOW_S), counts.clone()),
        (json!(NOW_S + 5), counts.clone()),
        (json!(NOW_S + 6), Err(TokenFault::NotYet)),
        (json!("0"), Err(TokenFault::Claims)),
        (json!("99999999999"), Err(TokenFault::Claims)),
        (Value::Null, Err(TokenFault::Claims)),
    ] {
        assert_eq!(at(claims(json!({"nbf": nbf}))), judgement, "nbf {nbf}");
    }
}

#[test]
fn claims_that_are_known_have_their_form_and_are_there_once() {
    let text = |payload: &str| judged(&signed(HS256, payload, SECRET.as_bytes()));
    let exp = NOW_S + 60;
    let long = "x".repeat(513);
    let many = vec!["a"; 65];
    for bad in [
        json!({"sub": 5}),
        json!({"sub": ["ann"]}),
        json!({"sub": ""}),
        json!({"sub": long}),
        json!({"peer": {}}),
        json!({"peer": long}),
        json!({"linkages": "room"}),
        json!({"linkages": [5]}),
        json!({"linkages": ["a*b"]}),
        json!({"publish": many}),
        json!({"subscribe": {"a": 1}}),
        json!({"dialects": true}),
        json!({"debout": "true"}),
        json!({"debout": 1}),
        json!({"admin": "yes"}),
        json!({"iss": 5}),
        json!({"iss": ["me"]}),
        json!({"aud": 5}),
        json!({"aud": [5]}),
        // What somebody has forgotten to fill in must not allow everything.
        json!({"sub": null}),
        json!({"peer": null}),
        json!({"linkages": null}),
        json!({"publish": null}),
        json!({"subscribe": null}),
        json!({"dialects": null}),
        json!({"debout": null}),
        json!({"admin": null}),
        json!({"iss": null}),
        json!({"aud": null}),
    ] {
        assert_eq!(
            judged(&token(&claims(bad.clone()))),
            Err(TokenFault::Claims),
            "{bad}"
        );
    }
    for bad in [
        format!(r#"{{"sub":"ann","sub":"bob","exp":{exp}}}"#),
        format!(r#"{{"sub":"ann","exp":1,"exp":{exp}}}"#),
        format!(r#"{{"sub":"ann","exp":{exp},"debout":false,"debout":true}}"#),
        format!(r#"["ann",{exp}]"#),
        "null".to_owned(),
        "{".to_owned(),
        String::from("x"),
    ] {
        assert_eq!(text(&bad), Err(TokenFault::Claims), "{bad}");
    }
    let unknown = format!(r#"{{"sub":"ann","exp":{exp},"other":1,"other":2}}"#);
    assert_eq!(text(&unknown), Ok(Some("ann".to_owned())));
}

#[test]
fn a_huge_token_is_not_looked_into() {
    let padding = "x".repeat(7_000);
    assert_eq!(
        judged(&token(&claims(json!({"p": padding})))).map_err(|fault| (fault, "one below")),
        Err((TokenFault::TooLong, "one below"))
    );
    let fits = "x".repeat(5_000);
    assert!(judged(&token(&claims(json!({"p": fits})))).is_ok());
    let dots = ".".repeat(1 << 20);
    assert_eq!(judged(&dots), Err(TokenFault::TooLong));
    let deep = "[".repeat(4_000);
    let token = signed(
        HS256,
        &format!(r#"{{"exp":{},"a":{deep}"#, NOW_S + 9),
        SECRET.as_bytes(),
    );
    assert_eq!(judged(&token), Err(TokenFault::Claims));
}

#[test]
fn audience_and_issuer_are_those_of_the_settings() {
    let strict = Rules {
        audiences: vec!["hub".to_owned(), "other".to_owned()],
        issuers: vec!["https://id.example.org".to_owned()],
        ..rules()
    };
    let cases = [
        (json!({"aud": "hub", "iss": "https://id.example.org"}), None),
        (
            json!({"aud": ["x", "hub"], "iss": "https://id.example.org"}),
            None,
        ),
        (json!({"aud": "hub "}), Some(TokenFault::Audience)),
        (
            json!({"aud": "HUB", "iss": "https://id.example.org"}),
            Some(TokenFault::Audience),
        ),
        (
            json!({"iss": "https://id.example.org"}),
            Some(TokenFault::Audience),
        ),
        (
            json!({"aud": [], "iss": "https://id.example.org"}),
            Some(TokenFault::Audience),
        ),
        (
            json!({"aud": 5, "iss": "https://id.example.org"}),
            Some(TokenFault::Audience),
        ),
        (
            json!({"aud": "hub", "iss": "https://id.example.org/"}),
            Some(TokenFault::Issuer),
        ),
        (json!({"aud": "hub", "iss": 5}), Some(TokenFault::Claims)),
        (
            json!({"aud": "hub", "iss": ["https://id.example.org"]}),
            Some(TokenFault::Claims),
        ),
        (json!({"aud": "hub"}), Some(TokenFault::Issuer)),
    ];
    let checker = checker(strict);
    for (more, fault) in cases {
        let found = checker.check(&token(&claims(more.clone())), NOW_MS, &mut 0);
        assert_eq!(found.err(), fault, "{more}");
    }
    // Without the settings any issuer will do, but a token for somebody is for somebody else.
    assert!(judged(&token(&claims(json!({"iss": "anybody"})))).is_ok());
    let found = judged(&token(&claims(json!({"aud": "hub"}))));
    assert_eq!(found, Err(TokenFault::Audience));
}

#[test]
fn each_kind_of_key_checks_its_own_tokens_and_no_others() {
    let publics = [
        "ed25519-public.pem",
        "p256-public.pem",
        "rsa2048-public.pem",
    ];
    let privates = ["ed25519.pem", "p256.pem", "rsa2048.pem"];
    let together = public_keys(&publics);
    for (place, private) in privates.into_iter().enumerate() {
        let token = minted(private);
        for (other, public) in publics.into_iter().enumerate() {
            let found = public_keys(&[public]).check(&token, NOW_MS, &mut 0);
            let expected = (place != other).then_some(TokenFault::NoKey);
            assert_eq!(found.err(), expected, "{private} {public}");
        }
        assert!(together.check(&token, NOW_MS, &mut 0).is_ok(), "{private}");
        let (message, _) = token.rsplit_once('.').unwrap();
        let (_, others) = minted("other-ed25519.pem")
            .rsplit_once('.')
            .map(|(a, b)| (a.to_owned(), b.to_owned()))
            .unwrap();
        let mixed = format!("{message}.{others}");
        assert_eq!(
            together.check(&mixed, NOW_MS, &mut 0),
            Err(TokenFault::Signature),
            "{private}"
        );
    }
    let stranger = minted("other-ed25519.pem");
    assert_eq!(
        together.check(&stranger, NOW_MS, &mut 0),
        Err(TokenFault::Signature)
    );
}

#[test]
fn every_key_that_is_tried_costs_as_much_as_the_first() {
    let cost = |names: &[&str], token: &str| {
        let mut cost = 0;
        let fault = public_keys(names).check(token, NOW_MS, &mut cost).err();
        (fault, cost)
    };
    let stranger = minted("other-ed25519.pem");
    let (one, many) = (["ed25519-public.pem"], ["ed25519-public.pem"; 4]);
    let (fault, of_none) = cost(&["p256-public.pem"], &stranger);
    assert_eq!(fault, Some(TokenFault::NoKey));
    let (_, of_one) = cost(&one, &stranger);
    let (fault, of_many) = cost(&many, &stranger);
    assert_eq!(fault, Some(TokenFault::Signature));
    assert!(of_none > 0 && of_one > of_none);
    assert_eq!(of_many - of_none, 4 * (of_one - of_none));
    let honest = minted("ed25519.pem");
    assert_eq!(
        cost(&many, &honest),
        (None, of_one),
        "the first has signed it"
    );
}

/// What is in no table above: forms of a signature that other libraries have once let pass.
#[test]
fn signatures_have_one_form() {
    let publics = [
        "ed25519-public.pem",
        "p256-public.pem",
        "rsa2048-public.pem",
    ];
    let checker = public_keys(&publics);
    let judge = |token: &str| {
        checker
            .check(token, NOW_MS, &mut 0)
            .map(|grant| grant.subject)
    };
    let order = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
    let order: Vec<u8> = (0..32)
        .map(|at| u8::from_str_radix(&order[2 * at..2 * at + 2], 16).expect("hexadecimal"))
        .collect();
    let payload = claims(json!({})).to_string();
    let message = [r#"{"alg":"ES256"}"#, &payload].map(|part| base64url(part.as_bytes()));
    let message = message.join(".");
    let one = |last: u8| [vec![0; 31], vec![last]].concat();
    for signature in [
        vec![0; 64],
        [one(1), one(1)].concat(),
        [one(0), order.clone()].concat(),
        [order.clone(), order].concat(),
        vec![0; 63],
        vec![0x30, 6, 2, 1, 0, 2, 1, 0],
    ] {
        let forged = format!("{message}.{}", base64url(&signature));
        assert_eq!(judge(&forged), Err(TokenFault::Signature), "{signature:?}");
    }
    // Base64 of the last byte leaves bits over, which must be 0, or one token would have several texts.
    for private in ["ed25519.pem", "p256.pem", "rsa2048.pem"] {
        let honest = minted(private);
        assert!(judge(&honest).is_ok(), "{private}");
        let (start, last) = honest.split_at(honest.len() - 1);
        let others = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        for other in others.chars().filter(|&other| !last.starts_with(other)) {
            assert!(
                judge(&format!("{start}{other}")).is_err(),
                "{private} {other}"
            );
        }
        assert!(judge(&format!("{honest}A")).is_err(), "{private}");
    }
}

#[test]
fn a_set_of_keys_is_chosen_from_by_name() {
    let mut keys = Keys::new();
    keys.add_jwks(&key("jwks.json")).expect("a good set");
    let checker = Checker::new(keys, rules());
    let named = |private: &str, kid: Option<&str>| {
        let pem = key(private);
        let (algorithm, signing) = match private {
            "ed25519.pem" => ("EdDSA", jsonwebtoken::EncodingKey::from_ed_pem(&pem)),
            "p256.pem" => ("ES256", jsonwebtoken::EncodingKey::from_ec_pem(&pem)),
            _ => ("RS256", jsonwebtoken::EncodingKey::from_rsa_pem(&pem)),
        };
        let mut header = jsonwebtoken::Header::new(algorithm.parse().unwrap());
        header.kid = kid.map(str::to_owned);
        let token = jsonwebtoken::encode(&header, &claims(json!({})), &signing.unwrap());
        token.expect("it signs")
    };
    for (private, kid) in [
        ("ed25519.pem", "ed"),
        ("p256.pem", "ec"),
        ("rsa2048.pem", "rsa"),
    ] {
        assert!(
            checker
                .check(&named(private, Some(kid)), NOW_MS, &mut 0)
                .is_ok(),
            "{kid}"
        );
        for other in [
            None,
            Some("unknown"),
            Some(""),
            Some("for-encryption"),
            Some("another-algorithm"),
        ] {
            let found = checker.check(&named(private, other), NOW_MS, &mut 0);
            assert_eq!(found, Err(TokenFault::NoKey), "{kid} {other:?}");
        }
    }
    let found = checker.check(&named("ed25519.pem", Some("ec")), NOW_MS, &mut 0);
    assert_eq!(found, Err(TokenFault::NoKey));
}

#[test]
fn bad_keys_are_refused_with_what_is_wrong() {
    let refused = |add: &dyn Fn(&mut Keys) -> Result<(), String>, problem: &str| {
        let error = add(&mut Keys::new()).expect_err(problem);
        assert!(error.contains(problem) && !error.contains('\n'), "{error}");
    };
    refused(&|keys| keys.add_secret(b"short"), "holds 5 bytes");
    refused(&|keys| keys.add_secret(&[b'x'; 31]), "holds 31 bytes");
    refused(&|keys| keys.add_secret(&[b'\n'; 64]), "holds 0 bytes");
    assert_eq!(Keys::new().add_secret(&[b'x'; 32]), Ok(()));
    refused(
        &|keys| keys.add_public_pem(&key("ed25519.pem")),
        "a private key",
    );
    refused(
        &|keys| keys.add_public_pem(&key("rsa2048.pem")),
        "a private key",
    );
    refused(
        &|keys| keys.add_public_pem(&key("rsa1024-public.pem")),
        "fewer bits than 2048",
    );
    refused(
        &|keys| keys.add_public_pem(&key("p384-public.pem")),
        "another curve",
    );
    refused(
        &|keys| keys.add_public_pem(b"-----BEGIN PUBLIC KEY-----\n"),
        "no public key",
    );
    refused(&|keys| keys.add_public_pem(b""), "no public key");
    refused(&|keys| keys.add_jwks(b"{"), "no JWKS");
    refused(
        &|keys| keys.add_jwks(br#"{"keys":[]}"#),
        "no key for signatures",
    );
    let secret = json!({"keys": [{"kty": "oct", "k": base64url(SECRET.as_bytes())}]}).to_string();
    refused(&|keys| keys.add_jwks(secret.as_bytes()), "is a secret");
    let small = json!({"keys": [{"kty": "RSA", "n": base64url(&[255; 128]), "e": "AQAB"}]});
    refused(
        &|keys| keys.add_jwks(small.to_string().as_bytes()),
        "fewer bits",
    );
    let short = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "AAAA"}]});
    refused(
        &|keys| keys.add_jwks(short.to_string().as_bytes()),
        "another Edwards curve",
    );
    refused(
        &|keys| {
            keys.add_jwks(&key("jwks.json"))?;
            keys.add_jwks(&key("jwks.json"))
        },
        "the kid of another key",
    );
    refused(
        &|keys| (0..5).try_for_each(|_| keys.add_public_pem(&key("ed25519-public.pem"))),
        "one too many without a name",
    );
    let of_each_kind = |keys: &mut Keys| {
        let kinds = [
            "ed25519-public.pem",
            "p256-public.pem",
            "rsa2048-public.pem",
        ];
        kinds
            .into_iter()
            .try_for_each(|name| (0..4).try_for_each(|_| keys.add_public_pem(&key(name))))
    };
    assert_eq!(of_each_kind(&mut Keys::new()), Ok(()));
    let named = |count: usize| {
        let mut set: Value = serde_json::from_slice(&key("jwks.json")).expect("JSON");
        let one = set["keys"][0].clone();
        let keys = (0..count).map(|number| {
            let mut key = one.clone();
            key["kid"] = number.to_string().into();
            key
        });
        set["keys"] = keys.collect();
        set.to_string().into_bytes()
    };
    assert_eq!(Keys::new().add_jwks(&named(32)), Ok(()));
    refused(
        &|keys| keys.add_jwks(&named(33)),
        "one too many: there may be 32",
    );
}
