//! Puts the web phone into the command: the files of `web/phone`, and the npm package in `web/dist` when it was built. Needs
//! neither Node.js nor a network; without the package, the command says in the browser how to make it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// What a page can be made of; anything else in the folder is left out.
const TYPES: [(&str, &str); 5] = [
    ("html", "text/html; charset=utf-8"),
    ("css", "text/css; charset=utf-8"),
    ("js", "text/javascript; charset=utf-8"),
    ("svg", "image/svg+xml"),
    ("wasm", "application/wasm"),
];
/// The package's, without which there is no phone.
const PACKAGE: [&str; 3] = ["offhook.js", "offhook.wasm", "audio.js"];

fn main() -> io::Result<()> {
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    let web = here.join("../../web");
    println!("cargo::rerun-if-changed=build.rs");
    // As a crate of its own there is no folder beside it, and no phone.
    if web.exists() {
        for folder in ["phone", "dist"] {
            println!("cargo::rerun-if-changed={}", web.join(folder).display());
        }
    }
    let files = files(&web)?;
    fs::write(out.join("web_phone.rs"), table(&files, &out)?)
}

struct File {
    name: String,
    content_type: &'static str,
    path: PathBuf,
    data: Vec<u8>,
}

/// The page's files, in the order of their names; none when the package is not there.
fn files(web: &Path) -> io::Result<Vec<File>> {
    let package: Vec<PathBuf> = PACKAGE.iter().map(|name| web.join("dist").join(name)).collect();
    if !package.iter().all(|path| path.is_file()) || !web.join("phone/index.html").is_file() {
        return Ok(Vec::new());
    }
    let mut paths = fs::read_dir(web.join("phone"))?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    paths.extend(package);
    paths.sort();
    let mut files = Vec::new();
    for path in paths.into_iter().filter(|path| path.is_file()) {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let extension = path.extension().map(|extension| extension.to_string_lossy().into_owned()).unwrap_or_default();
        let Some((_, content_type)) = TYPES.iter().find(|(known, _)| *known == extension) else { continue };
        let data = fs::read(&path)?;
        files.push(File { name, content_type, path: path.canonicalize()?, data });
    }
    Ok(files)
}

/// The page under `/`, all else under a folder named after what is in it: so a browser may keep that for ever.
fn table(files: &[File], out: &Path) -> io::Result<String> {
    let mut hash = Fnv::default();
    for file in files {
        hash.add(file.name.as_bytes());
        hash.add(&file.data);
    }
    let folder = format!("{:016x}", hash.0);
    let mut table = String::from("&[\n");
    for file in files {
        let is_page = file.name == "index.html";
        let (path, target) = if is_page {
            let page = String::from_utf8_lossy(&file.data).replace("\"phone/", &format!("\"{folder}/"));
            let target = out.join("index.html");
            fs::write(&target, page)?;
            ("/".to_owned(), target)
        } else {
            (format!("/{folder}/{}", file.name), file.path.clone())
        };
        let packed = |suffix: &str| -> io::Result<String> {
            let packed = if is_page { None } else { packed(file, suffix)? };
            Ok(packed.map_or_else(|| "None".to_owned(), |path| format!("Some(include_bytes!({path:?}))")))
        };
        let (gzip, brotli) = (packed("gz")?, packed("br")?);
        let content_type = file.content_type;
        // Writing to a String does not fail.
        let _ = writeln!(
            table,
            "Embedded {{ path: {path:?}, content_type: {content_type:?}, data: include_bytes!({target:?}), gzip: {gzip}, brotli: {brotli}, \
             immutable: {} }},",
            !is_page
        );
    }
    table.push_str("]\n");
    Ok(table)
}

/// The compressed form that `web/build.js` made, if it is of these very bytes.
fn packed(file: &File, suffix: &str) -> io::Result<Option<PathBuf>> {
    let Some(web) = file.path.parent().and_then(Path::parent) else { return Ok(None) };
    let folder = web.join("build/packed");
    let (of, packed) = (folder.join(&file.name), folder.join(format!("{}.{suffix}", file.name)));
    let fits = packed.is_file() && of.is_file() && fs::read(of)? == file.data;
    Ok(fits.then_some(packed))
}

/// FNV-1a: names what is the same by the same name; it protects nothing.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    fn add(&mut self, data: &[u8]) {
        for byte in data.iter().chain(&[0]) {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}
