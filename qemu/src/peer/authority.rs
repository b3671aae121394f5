//! A certificate authority of openssl(1), for servers and clients that want to be believed.

use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

use crate::Result;
use crate::error::Context;
use crate::process;

/// What openssl(1) wants to find.
const CONFIG: &str = "[req]\ndistinguished_name = name\n[name]\n";

/// The keys that are made: small ones.
const KEY: &str = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";

/// An authority. What it makes expires tomorrow.
#[derive(Debug)]
pub struct Authority {
    folder: PathBuf,
    name: String,
}

impl Authority {
    /// A new one, as `NAME.pem` and `NAME.key` in `folder`.
    ///
    /// # Errors
    /// openssl(1) is missing, or `folder` cannot be written to.
    pub fn new(folder: &Path, name: &str) -> Result<Self> {
        let authority = Self {
            folder: folder.to_owned(),
            name: name.to_owned(),
        };
        authority.write("openssl.cnf", CONFIG)?;
        authority.openssl(&format!(
            "req -x509 {KEY} -keyout {name}.key -out {name}.pem -days 1 -subj /CN={name} \
             -addext basicConstraints=critical,CA:TRUE"
        ))?;
        Ok(authority)
    }

    /// A certificate with this extension (`subjectAltName = IP:192.0.2.1`), as `NAME.pem` and `NAME.key` in the same folder.
    ///
    /// # Errors
    /// openssl(1) does not take the extension.
    pub fn issue(&self, name: &str, extension: &str) -> Result<()> {
        let authority = &self.name;
        self.write("extensions", &format!("{extension}\n"))?;
        self.openssl(&format!(
            "req {KEY} -keyout {name}.key -out {name}.csr -subj /CN={name}"
        ))?;
        self.openssl(&format!(
            "x509 -req -in {name}.csr -CA {authority}.pem -CAkey {authority}.key -CAcreateserial -days 1 \
             -extfile extensions -out {name}.pem"
        ))
    }

    /// Where a file of it is: `NAME.pem`, `NAME.key`.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn write(&self, name: &str, text: &str) -> Result<()> {
        let path = self.file(name);
        fs::write(&path, text).context(path.display().to_string())
    }

    fn openssl(&self, line: &str) -> Result<()> {
        let mut command = Command::new("openssl");
        let words = line.split_whitespace();
        command.args(words).current_dir(&self.folder);
        // The machine's /etc may have none.
        command.env("OPENSSL_CONF", self.file("openssl.cnf"));
        process::run(&mut command).map(drop)
    }
}
