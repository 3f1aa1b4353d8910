//! Components are built once per content and kept.
//!
//! The key covers all that decides what comes out: the folder's files, the build's flags and the
//! Go version. A build goes into a temporary folder that is renamed when it is complete, under a
//! lock, so that two processes never build the same.

pub mod kept;

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use sha2::{Digest, Sha256};

use self::kept::{made_root, renew, sixteen};
use crate::family::Family;
use crate::host;
use crate::progress::Progress;

/// The folder beside a family's programs that its manifests are in.
pub const MANIFESTS: &str = "manifests";

/// The variable that names the folder with components that were built elsewhere.
pub const BUILT: &str = "TESTBED_BUILT";

/// For programs in C: needing no library, and without a symbol table.
const C_FLAGS: [&str; 4] = ["-std=c99", "-O2", "-static", "-s"];

/// The folder with a family's pinned module files.
pub fn sources(family: &Family) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("components")
        .join(family.folder())
}

/// The folder with a family's programs, built now where they are missing. On a machine that builds
/// nothing, `TESTBED_BUILT` has a folder for each family.
pub fn build(family: &Family, progress: Progress) -> Result<PathBuf> {
    if let Some(built) = host::variable(BUILT) {
        let folder = PathBuf::from(built).join(family.folder());
        ensure!(
            folder.is_dir(),
            "{BUILT} says that nothing is built here, and there is no {}",
            folder.display()
        );
        return Ok(folder);
    }
    let root = made_root()?;
    let mut decisive = flags(family);
    if let Some((_, files)) = family.manifests() {
        decisive.extend(files.iter().map(|&file| file.to_owned()));
    }
    if let Some((name, _, folder)) = family.program_in_c() {
        decisive.extend([name, folder].map(str::to_owned));
        decisive.extend(C_FLAGS.map(str::to_owned));
    }
    if let Some((_, files)) = family.additions() {
        decisive.extend(files.iter().map(|&(_, to)| to.to_owned()));
    }
    let key = key(&sources(family), &decisive, &go_version()?)?;
    let done = root.join(format!("{}-{key}", family.folder()));
    if done.is_dir() {
        return Ok(done);
    }
    for (file, package) in family.needs() {
        host::need(file, package, progress)?;
    }
    let what = format!(
        "building {} {} ({} {})",
        family.kind.name(),
        family.version,
        family.programs().len(),
        if family.programs().len() == 1 {
            "program"
        } else {
            "programs"
        }
    );
    progress.step(&what, || {
        let lock = root.join(format!("{}.lock", family.folder()));
        let lock = File::create(&lock).with_context(|| format!("making {}", lock.display()))?;
        lock.lock()
            .context("waiting for another build of the same")?;
        if !done.is_dir() {
            compile(family, &root, &done)?;
        }
        Ok(done)
    })
}

fn flags(family: &Family) -> Vec<String> {
    let mut flags = ["build", "-mod=readonly", "-trimpath", "-buildvcs=false"]
        .map(str::to_owned)
        .to_vec();
    if !family.tags().is_empty() {
        flags.extend(["-tags".to_owned(), family.tags().to_owned()]);
    }
    flags.extend(["-ldflags".to_owned(), family.ldflags()]);
    flags
}

fn go(family: Option<&Family>) -> Command {
    let mut go = Command::new("go");
    // Never empty: an empty one would be read from the user's `go env` file instead.
    go.env("GOFLAGS", "-mod=readonly")
        .env("GOWORK", "off")
        .env("GOTOOLCHAIN", "local")
        .env("GOOS", "linux")
        .env(
            "CGO_ENABLED",
            if family.is_some_and(Family::cgo) {
                "1"
            } else {
                "0"
            },
        )
        .stdin(Stdio::null());
    go
}

fn go_version() -> Result<String> {
    let output = go(None)
        .arg("version")
        .output()
        .context("running `go version` (Go 1.26 or later is needed to build the components)")?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// What decides the outcome of a build, as 16 hexadecimal digits.
fn key(sources: &Path, flags: &[String], go_version: &str) -> Result<String> {
    let mut files: Vec<PathBuf> = fs::read_dir(sources)
        .and_then(|entries| entries.map(|e| e.map(|e| e.path())).collect())
        .with_context(|| format!("reading {}", sources.display()))?;
    files.sort();
    let mut hash = Sha256::new();
    let mut part = |bytes: &[u8]| {
        hash.update(bytes.len().to_le_bytes());
        hash.update(bytes);
    };
    for file in files {
        part(file.file_name().unwrap_or_default().as_encoded_bytes());
        part(&fs::read(&file).with_context(|| format!("reading {}", file.display()))?);
    }
    flags.iter().for_each(|flag| part(flag.as_bytes()));
    part(go_version.as_bytes());
    Ok(sixteen(hash))
}

fn compile(family: &Family, root: &Path, done: &Path) -> Result<()> {
    let building = root.join(format!("{}.building", family.folder()));
    renew(&building)?;
    let log = root.join(format!("{}.log", family.folder()));
    let output = OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(true)
        .open(&log)
        .with_context(|| format!("making {}", log.display()))?;
    // With one package `-o` names the file, with several the folder.
    let target = match family.programs() {
        [one] => building.join(one.name),
        _ => building.join(""),
    };
    let mut flags = flags(family);
    let completed = match family.additions() {
        Some((module, files)) => Some(complete(family, root, module, files)?),
        None => None,
    };
    if completed.is_some() {
        let modules = root.join(format!("{}.mod", family.folder()));
        flags.push(format!("-modfile={}", modules.display()));
    }
    let status = go(Some(family))
        .args(flags)
        .arg("-o")
        .arg(target)
        .args(family.programs().iter().map(|p| p.package))
        .current_dir(sources(family))
        .stdout(
            output
                .try_clone()
                .context("opening the build's log twice")?,
        )
        .stderr(output)
        .status()
        .context("running `go build`")?;
    if !status.success() {
        bail!(
            "`go build` of {} failed ({status}); the end of {}:\n{}",
            family.folder(),
            log.display(),
            crate::log::tail(&log)
        );
    }
    for program in family.programs() {
        if !building.join(program.name).is_file() {
            bail!("`go build` of {} made no {}", family.folder(), program.name);
        }
    }
    if let Some((name, module, folder)) = family.program_in_c() {
        let folder = module_folder(family, module)?.join(folder);
        compile_c(&folder, &building.join(name))?;
    }
    if let Some((module, files)) = family.manifests() {
        let module = module_folder(family, module)?;
        for file in files {
            copy(&module.join(file), &building.join(MANIFESTS).join(file))?;
        }
    }
    if let Some(folder) = completed {
        fs::remove_dir_all(&folder).with_context(|| format!("removing {}", folder.display()))?;
    }
    fs::rename(&building, done).with_context(|| format!("moving the build to {}", done.display()))
}

/// Builds the program that the C files of a folder make.
fn compile_c(folder: &Path, program: &Path) -> Result<()> {
    let entries = fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))?;
    let files: Vec<PathBuf> = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()
        .with_context(|| format!("reading {}", folder.display()))?;
    let output = Command::new("gcc")
        .args(C_FLAGS)
        .arg("-o")
        .arg(program)
        .args(
            files
                .iter()
                .filter(|file| file.extension() == Some("c".as_ref())),
        )
        .stdin(Stdio::null())
        .output()
        .context("running gcc")?;
    if !output.status.success() {
        bail!(
            "gcc made no {} ({}): {}",
            program.display(),
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(())
}

/// Copies a module and adds what its archive lacks; a `.mod` file beside the copy puts it in place of
/// the module. Returns the copy's folder.
fn complete(
    family: &Family,
    root: &Path,
    module: &str,
    additions: &[(&str, &str)],
) -> Result<PathBuf> {
    let output = go(Some(family))
        .args(["mod", "download", module])
        .current_dir(sources(family))
        .output()
        .context("running `go mod download`")?;
    if !output.status.success() {
        bail!(
            "`go mod download {module}` failed ({}): {}",
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    let folder = root.join(format!("{}.source", family.folder()));
    if folder.exists() {
        fs::remove_dir_all(&folder)
            .with_context(|| format!("removing the interrupted {}", folder.display()))?;
    }
    copy(&module_folder(family, module)?, &folder)?;
    for (from, to) in additions {
        copy(&sources(family).join(from), &folder.join(to))?;
    }
    let path = sources(family).join("go.mod");
    let modules =
        fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let path = root.join(format!("{}.mod", family.folder()));
    let replaced = format!("{modules}\nreplace {module} => {}\n", folder.display());
    fs::write(&path, replaced).with_context(|| format!("writing {}", path.display()))?;
    copy(
        &sources(family).join("go.sum"),
        &root.join(format!("{}.sum", family.folder())),
    )?;
    Ok(folder)
}

/// The folder of a module that a family's build has downloaded.
fn module_folder(family: &Family, module: &str) -> Result<PathBuf> {
    let output = go(Some(family))
        .args(["list", "-m", "-f", "{{.Dir}}", module])
        .current_dir(sources(family))
        .output()
        .context("running `go list`")?;
    let folder = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    if !output.status.success() || !folder.is_dir() {
        bail!(
            "`go list -m {module}` names no folder ({}): {}",
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(folder)
}

/// Copies a file, or the files of a folder. Their modes are not kept: a module's files cannot be written to.
fn copy(from: &Path, to: &Path) -> Result<()> {
    let failed = || format!("copying {} to {}", from.display(), to.display());
    if from.is_dir() {
        let entries = fs::read_dir(from).with_context(failed)?;
        for entry in entries {
            let name = entry.with_context(failed)?.file_name();
            copy(&from.join(&name), &to.join(&name))?;
        }
        return Ok(());
    }
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder).with_context(failed)?;
    }
    let content = fs::read(from).with_context(failed)?;
    fs::write(to, content).with_context(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_follows_files_flags_and_go_version() -> Result<()> {
        let folder = std::env::temp_dir().join(format!("testbed-key-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("go.mod"), "module a")?;
        let flag = |text: &str| vec![text.to_owned()];
        let first = key(&folder, &flag("-trimpath"), "go1")?;
        assert_eq!(first, key(&folder, &flag("-trimpath"), "go1")?);
        assert_ne!(first, key(&folder, &flag("-race"), "go1")?);
        assert_ne!(first, key(&folder, &flag("-trimpath"), "go2")?);
        fs::write(folder.join("go.mod"), "module b")?;
        assert_ne!(first, key(&folder, &flag("-trimpath"), "go1")?);
        assert_eq!(first.len(), 16);
        fs::remove_dir_all(&folder)?;
        Ok(())
    }
}
