//! Files that settings name, in each state in which somebody may leave them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rcgen::generate_simple_self_signed;

use crate::support::postgres::open_directory;
use crate::support::program::output;

/// A key with a passphrase, by `openssl genpkey -algorithm ED25519 -aes256`.
const ENCRYPTED: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----
MIGjMF8GCSqGSIb3DQEFDTBSMDEGCSqGSIb3DQEFDDAkBBA=
-----END ENCRYPTED PRIVATE KEY-----
";

/// A key that is too short, by `openssl genrsa 1024`.
const SHORT: &str = "-----BEGIN PRIVATE KEY-----
MIICeAIBADANBgkqhkiG9w0BAQEFAASCAmIwggJeAgEAAoGBAMm7D8dlIBjZH/od
vp+DsYyn44grzCaaSMRQjayiyJa51/cwFfE2i3hr4HN1RIdMHC9EtClsyh1mqfhL
qYsHpfMuuDyBfLdlBpmWb2HP0f+R0cpfDcLzGNltkEXTpa0d2Yipj/rAp77SdXd7
uW3QR1bVvYxm/5hdomUTFbf970b/AgMBAAECgYEAqISOotgUXw2KS+trIV/nAwQA
6/ECYsEBxpUwNKXrgRYQllriCZWyHs+nOWwd6hQne0keY3iQwszPci7qm8yw0CBg
v5PxHuP3ldV8nUaWPIUOjHdoMuFWCYPR6p0h37kK6BwP23dHKEZH1C5PI7KNXkRB
6Z+y0caGfRe5tKzQlfkCQQDmd8702IyMzjk/t60yZ+sZQv3AS2lxkTFJGLc1Jb4A
BlGXZh7+G4I8ujjrpbbwFLiXF6/gFgc66gCB34zC73Z1AkEA4BQ/rvNulN+aMy1v
iNslf++xrn2xxy4dn9QlST0rha1jychy9aZFNc058TTfStgeXZ8KJMwcOSjQ/Dlc
WZkhIwJBAMdZerpvVaO1/e8PgdDH8qO3PqbGlD6XyHnh1xcxvldnH8xFmSlTwiOl
MPckMEkao1COPKMoaribEDVGmQtE9sECQC41nshqZRSIZBlHtmeHod0XRhIQ07ea
l/tc2W+YEMCZeCmlj6d+6Wjl8JwAZkfd960g3guml+9lrmtFPPkxLfcCQQCGHCqF
FyIF49f+B4zi6zSWztUVwhmOHpskgIHu3EFkDiAreAINcLtrHf85hIvZI6gEmDG0
gpSPLm6l2K19Zf6s
-----END PRIVATE KEY-----
";

/// A certificate and its key in a directory.
struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Self {
        let files = Self(open_directory());
        let made = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        fs::write(files.path("tls.crt"), made.cert.pem()).unwrap();
        fs::write(files.path("tls.key"), made.signing_key.serialize_pem()).unwrap();
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// What `check` says with these settings, without the database.
    fn check(&self, settings: &[(&str, &str)]) -> String {
        let data = self.text("data");
        let settings = [&[("DATA_DIR", data.as_str())], settings].concat();
        let ended = output(&settings, &["check"]);
        let said = String::from_utf8([ended.stdout, ended.stderr].concat()).unwrap();
        assert!(!said.contains("[45, "), "bytes are listed: {said}");
        said
    }

    /// What is said of a certificate and key, of which one is in a file of its own.
    fn check_tls(&self, setting: &str, path: &str) -> String {
        let (certificate, key) = (self.text("tls.crt"), self.text("tls.key"));
        let own = [("TLS_CERTIFICATE", certificate.as_str()), ("TLS_KEY", &key)];
        self.check(&own.map(|(name, whole)| (name, if name == setting { path } else { whole })))
    }

    /// What is said of a file that a setting of any kind names.
    fn check_any(&self, setting: &str, path: &str) -> String {
        let (certificate, key) = (self.text("tls.crt"), self.text("tls.key"));
        let host = "postgres://app@127.0.0.1:1/x?sslmode=verify-full";
        match setting {
            "TLS_CERTIFICATE" | "TLS_KEY" => self.check_tls(setting, path),
            "sslrootcert" => self.check(&[("DATABASE_URL", &format!("{host}&sslrootcert={path}"))]),
            "sslcert" => self.check(&[("DATABASE_URL", &format!("{host}&sslcert={path}&sslkey={key}"))]),
            "sslkey" => self.check(&[("DATABASE_URL", &format!("{host}&sslcert={certificate}&sslkey={path}"))]),
            "PGSSLCERT" => self.check(&[("DATABASE_URL", host), (setting, path), ("PGSSLKEY", &key)]),
            "PGSSLKEY" => self.check(&[("DATABASE_URL", host), (setting, path), ("PGSSLCERT", &certificate)]),
            "PGSSLROOTCERT" => self.check(&[("DATABASE_URL", host), (setting, path)]),
            other => self.check(&[(other, path)]),
        }
    }
}

const OF_CERTIFICATES: [&str; 4] = ["TLS_CERTIFICATE", "sslrootcert", "sslcert", "PGSSLROOTCERT"];
const OF_KEYS: [&str; 3] = ["TLS_KEY", "sslkey", "PGSSLKEY"];
const OF_ADDRESSES: [&str; 2] = ["DATABASE_URL_FILE", "READ_DATABASE_URL_FILE"];

#[test]
fn whatever_is_wrong_with_a_file_a_sentence_names_the_setting_and_the_fault() {
    let files = Files::new();
    fs::create_dir(files.path("directory")).unwrap();
    fs::write(files.path("empty"), "\u{feff}\r\n").unwrap();
    fs::write(files.path("rubbish"), [0x30, 0x82, 0, 1, 0xff]).unwrap();
    for setting in OF_CERTIFICATES.into_iter().chain(OF_KEYS).chain(OF_ADDRESSES) {
        for (name, fault) in [
            ("missing", "there is no such file"),
            ("directory", "it is a directory"),
            ("rubbish", "it is not text in UTF-8"),
        ] {
            let (path, said) = (files.text(name), files.check_any(setting, &files.text(name)));
            assert!(said.contains(&format!("cannot read {setting} {path}: {fault}")), "{said}");
        }
    }
    // Nobody writes to it, so that reading it would never end.
    assert!(Command::new("mkfifo").arg(files.path("pipe")).status().unwrap().success());
    for setting in OF_CERTIFICATES.into_iter().chain(OF_KEYS) {
        let said = files.check_any(setting, &files.text("pipe"));
        assert!(said.contains("it is not a regular file"), "{said}");
    }
    for setting in OF_KEYS.into_iter().chain(["TLS_CERTIFICATE"]).chain(OF_ADDRESSES) {
        let said = files.check_any(setting, &files.text("empty"));
        assert!(said.contains(&format!("cannot read {setting}")) && said.contains("it is empty"), "{said}");
    }
}

#[test]
fn pem_files_with_a_byte_order_mark_or_with_other_line_ends_are_read() {
    let files = Files::new();
    for (setting, name) in [("TLS_CERTIFICATE", "tls.crt"), ("TLS_KEY", "tls.key")] {
        let whole = fs::read_to_string(files.path(name)).unwrap();
        let both = [fs::read_to_string(files.path("tls.crt")).unwrap(), whole.clone()].concat();
        for text in [
            format!("\u{feff}{whole}"),
            whole.replace('\n', "\r\n"),
            format!("\u{feff}{}", whole.replace('\n', "\r\n")),
            format!("Bag Attributes: M\u{fc}ller\n{whole}"),
            if setting == "TLS_KEY" { both } else { whole.clone() },
        ] {
            fs::write(files.path("changed"), &text).unwrap();
            let said = files.check_tls(setting, &files.text("changed"));
            assert!(said.lines().any(|line| line.starts_with("settings    ok     https://")), "{text}: {said}");
        }
    }
}

#[test]
fn a_part_of_a_second_certificate_or_key_is_refused() {
    let files = Files::new();
    for (setting, name) in [("TLS_CERTIFICATE", "tls.crt"), ("TLS_KEY", "tls.key")] {
        let whole = fs::read_to_string(files.path(name)).unwrap();
        let lines: Vec<_> = whole.lines().collect();
        let shorter = [&lines[..2], &lines[3..]].concat().join("\n");
        for second in [&whole[..10], &whole[..whole.len() / 2], &whole[whole.len() / 2..], &shorter] {
            fs::write(files.path("changed"), format!("{whole}{second}")).unwrap();
            let said = files.check_tls(setting, &files.text("changed"));
            assert!(said.contains("it is incomplete: a certificate or key in it was cut off"), "{second}: {said}");
        }
    }
}

#[test]
fn a_key_or_certificate_that_cannot_be_used_is_explained() {
    let files = Files::new();
    let other = Files::new();
    let read = |path: &Path| fs::read_to_string(path).unwrap();
    let (certificate, key) = (read(&files.path("tls.crt")), read(&files.path("tls.key")));
    let old = key.replacen('\n', "\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\n", 1);
    let damaged = key.replacen("\nM", "\n*", 1);
    for (setting, text, fault) in [
        ("TLS_KEY", ENCRYPTED.to_owned(), "the key is encrypted: write it without a passphrase"),
        ("TLS_KEY", old, "the key is encrypted: write it without a passphrase"),
        ("TLS_KEY", certificate.clone(), "it has no private key in PEM"),
        ("TLS_KEY", damaged, "it is damaged"),
        ("TLS_KEY", format!("{key}{key}"), "it has several private keys"),
        ("TLS_KEY", SHORT.to_owned(), "the RSA key has 1024 bits: create a key of 2048 to 4096 bits"),
        ("TLS_KEY", read(&other.path("tls.key")), "the key does not belong to the certificate"),
        ("TLS_CERTIFICATE", key, "it has no certificate in PEM"),
        ("TLS_CERTIFICATE", "nonsense".to_owned(), "it has no certificate in PEM"),
        ("sslrootcert", format!("\u{feff}{certificate}"), "it begins with a byte order mark"),
    ] {
        fs::write(files.path("changed"), &text).unwrap();
        let said = files.check_any(setting, &files.text("changed"));
        assert!(said.contains(&format!("cannot read {setting} ")) && said.contains(fault), "{fault}: {said}");
    }
}

#[test]
fn an_address_in_a_file_and_the_env_file_may_have_a_byte_order_mark() {
    let files = Files::new();
    fs::write(files.path("url"), "\u{feff}postgres://app@127.0.0.1:1/x\r\n").unwrap();
    let said = files.check(&[("DATABASE_URL_FILE", &files.text("url"))]);
    assert!(said.contains("cannot reach the database"), "{said}");
}

#[test]
fn what_is_wrong_with_the_tls_of_a_database_is_blamed_on_what_says_it() {
    let files = Files::new();
    let (certificate, key) = (files.text("tls.crt"), files.text("tls.key"));
    let address = |parameters: &str| format!("postgres://app@127.0.0.1:1/x{parameters}");
    for (parameters, variable, sentence) in [
        ("", ("PGSSLCERT", &certificate), "PGSSLCERT is set without the key for it"),
        ("", ("PGSSLKEY", &key), "PGSSLKEY is set without the certificate for it"),
        ("", ("PGSSLMODE", &"verify_full".to_owned()), "PGSSLMODE must be disable, allow"),
        (&format!("?sslcert={certificate}"), ("TZ", &key), "DATABASE_URL: sslcert is set without the key for it"),
        (&format!("?sslkey={key}"), ("TZ", &key), "DATABASE_URL: sslkey is set without the certificate for it"),
    ] {
        let said = files.check(&[("DATABASE_URL", &address(parameters)), (variable.0, variable.1)]);
        assert!(said.contains(sentence) && said.lines().count() == 1, "{said}");
        assert_eq!(said.contains("DATABASE_URL"), sentence.contains("DATABASE_URL"), "{said}");
    }
    let said = files.check(&[("DATABASE_URL", &address("?sslmode=disable")), ("PGSSLCERT", &certificate)]);
    assert!(said.contains("cannot reach the database"), "{said}");
}
