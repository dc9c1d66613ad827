//! Fetches the distribution's own kernel package on Debian and Ubuntu, as an ordinary user.
//!
//! apt does the work, so the package is checked against the distribution's signatures. Nothing is installed: the
//! package is taken apart in a directory of its own inside the cache, and only the finished kernel is moved, in one
//! step, to its place. Where the host's package lists are missing or too old, they are fetched into that directory.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::{Error, is_kernel, newest};

/// A distribution whose kernels can be fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Distribution {
    Debian,
    Ubuntu,
}

impl Distribution {
    /// Reads `/etc/os-release`; derivatives that keep the archive's names count as their parent.
    pub fn of(os_release: &str) -> Option<Self> {
        let value = |name: &str| {
            let line = os_release.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
            line.unwrap_or_default().trim_matches(['"', '\'']).to_owned()
        };
        let words = format!("{} {}", value("ID"), value("ID_LIKE"));
        let is = |name| words.split_whitespace().any(|word| word == name);
        match (is("ubuntu"), is("debian")) {
            (true, _) => Some(Self::Ubuntu),
            (false, true) => Some(Self::Debian),
            (false, false) => None,
        }
    }

    /// Packages that depend on the current kernel for virtual machines, the smallest first.
    fn meta_packages(self) -> &'static [&'static str] {
        match self {
            Self::Debian => &["linux-image-cloud-amd64", "linux-image-amd64"],
            Self::Ubuntu => &["linux-image-virtual", "linux-image-generic"],
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Debian => "Debian",
            Self::Ubuntu => "Ubuntu",
        }
    }
}

/// A directory that goes away with its value.
struct Workshop(PathBuf);

impl Workshop {
    /// Inside the cache, so that the kernel can be moved to its place in one step.
    fn new(cache: &Path) -> Result<Self, Error> {
        let path = cache.join(format!(".fetch-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(path.join("lists/partial"))
            .and_then(|()| fs::create_dir_all(path.join("archives/partial")))
            .map_err(|source| Error::Cache { path: path.clone(), source })?;
        Ok(Self(path))
    }

    fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Workshop {
    fn drop(&mut self) {
        // What stays behind is a directory whose name starts with a dot; the next run of this process number removes it.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Fetches a kernel into the cache; gives its path and the package's name.
///
/// # Errors
/// Tools that are not there, a network that does not answer, a package without a kernel.
pub fn fetch(distribution: Distribution, cache: &Path, say: &mut dyn FnMut(&str)) -> Result<(PathBuf, String), Error> {
    say(&format!(
        "No kernel for the guest is at hand: fetching {}'s own kernel package into {} (about 15 to 70 MB, once; nothing is installed).",
        distribution.name(),
        cache.display()
    ));
    let workshop = Workshop::new(cache)?;
    let package = match package_of_lists(distribution, &workshop, &[]) {
        Ok(package) => package,
        Err(_) => {
            say("The host's package lists are missing or too old: fetching lists into the cache.");
            let options = private_lists(&workshop);
            let updated = run("apt-get", Command::new("apt-get").args(&options).args(["-q", "update"]));
            // One source of many may fail to answer and the kernel still be known.
            package_of_lists(distribution, &workshop, &options).map_err(|error| updated.err().unwrap_or(error))?
        }
    };
    say(&format!("Unpacking the kernel of {package}."));
    let kernel = unpack(&package, &workshop)?;
    let place = cache.join(kernel.file_name().unwrap_or_default());
    fs::rename(&kernel, &place).map_err(|source| Error::Cache { path: place.clone(), source })?;
    say(&format!("The guest's kernel is {}.", place.display()));
    Ok((place, package))
}

/// Names the current kernel package and downloads it, by the lists that `options` point to.
fn package_of_lists(distribution: Distribution, workshop: &Workshop, options: &[OsString]) -> Result<String, Error> {
    let mut last = Error::Fetch { tool: "apt-cache", said: "no kernel package is known".to_owned() };
    for meta in distribution.meta_packages() {
        let answer = run("apt-cache", Command::new("apt-cache").args(options).args(["depends", meta]));
        let package = match answer.map(|output| concrete_package(&String::from_utf8_lossy(&output.stdout))) {
            Ok(Some(package)) => package,
            Ok(None) => continue,
            Err(error @ Error::Tool { .. }) => return Err(error),
            Err(error) => {
                last = error;
                continue;
            }
        };
        let mut download = Command::new("apt-get");
        // Without a sandbox user, because that user could not write into this user's cache.
        download.args(options).args(["-q", "-o", "APT::Sandbox::User=root", "download", &package]);
        match run("apt-get", download.current_dir(&workshop.0)) {
            Ok(_) => return Ok(package),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// The package with the kernel itself, out of what `apt-cache depends` prints.
fn concrete_package(depends: &str) -> Option<String> {
    let packages = depends.lines().filter_map(|line| line.trim().strip_prefix("Depends: linux-image-"));
    let mut packages = packages.filter(|name| name.starts_with(|first: char| first.is_ascii_digit()));
    packages.next().map(|name| format!("linux-image-{name}"))
}

/// Options that let apt keep lists of its own, which an ordinary user may write.
fn private_lists(workshop: &Workshop) -> Vec<OsString> {
    let mut options = Vec::new();
    for (name, place) in [("Dir::State::lists=", "lists"), ("Dir::Cache=", "."), ("Dir::Cache::archives=", "archives")]
    {
        let mut option = OsString::from(name);
        option.push(workshop.join(place));
        options.extend(["-o".into(), option]);
    }
    options.extend(["-o".into(), "APT::Sandbox::User=root".into()]);
    // Sources of kernels alone would do; translations and the rest of the lists only take time.
    options.extend(["-o".into(), "Acquire::Languages=none".into()]);
    options
}

/// Takes `/boot` out of the downloaded package and gives the kernel in it.
fn unpack(package: &str, workshop: &Workshop) -> Result<PathBuf, Error> {
    let cannot_use = |source| Error::Cache { path: workshop.0.clone(), source };
    let entries = fs::read_dir(&workshop.0).map_err(cannot_use)?;
    let archive =
        entries.filter_map(|entry| Some(entry.ok()?.path())).find(|path| path.extension() == Some("deb".as_ref()));
    let archive = archive.ok_or_else(|| Error::NothingInPackage { package: package.to_owned() })?;
    let mut dpkg = Command::new("dpkg-deb");
    dpkg.arg("--fsys-tarfile").arg(&archive).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut dpkg = dpkg.spawn().map_err(|source| Error::Tool { tool: "dpkg-deb", source })?;
    let stream = dpkg.stdout.take().expect("the output was asked for as a pipe");
    // The kernel alone: modules would take ten times the room.
    let mut tar = Command::new("tar");
    tar.args(["-x", "--no-same-owner", "-f", "-", "-C"]).arg(&workshop.0).arg("./boot").stdin(stream);
    let unpacked = run_with_input("tar", &mut tar);
    let _ = dpkg.wait();
    unpacked?;
    let kernel = newest(&workshop.join("boot"), &mut Vec::new());
    kernel
        .filter(|path| is_kernel(path).unwrap_or(false))
        .ok_or_else(|| Error::NothingInPackage { package: package.to_owned() })
}

fn run(tool: &'static str, command: &mut Command) -> Result<Output, Error> {
    run_with_input(tool, command.stdin(Stdio::null()))
}

/// Runs a tool to its end; what it said on stderr becomes the error's text.
fn run_with_input(tool: &'static str, command: &mut Command) -> Result<Output, Error> {
    let output = command.env("LC_ALL", "C").output().map_err(|source| Error::Tool { tool, source })?;
    if output.status.success() {
        return Ok(output);
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let mut lines = text.lines().filter(|line| line.starts_with("E:") || !line.starts_with("W:"));
    let said = lines.next_back().unwrap_or("nothing").trim_start_matches("E: ").trim_end_matches('.').to_owned();
    Err(Error::Fetch { tool, said })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distributions_are_told_by_os_release() {
        assert_eq!(Distribution::of("NAME=x\nID=debian\n"), Some(Distribution::Debian));
        assert_eq!(Distribution::of("ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n"), Some(Distribution::Ubuntu));
        assert_eq!(Distribution::of("ID=fedora\n"), None);
        assert_eq!(Distribution::of(""), None);
    }

    #[test]
    fn concrete_package_is_the_one_with_a_version() {
        let debian = "linux-image-cloud-amd64\n  Depends: linux-image-6.1.0-56-cloud-amd64\n";
        assert_eq!(concrete_package(debian).as_deref(), Some("linux-image-6.1.0-56-cloud-amd64"));
        let ubuntu = "linux-image-virtual\n  Depends: linux-image-generic\n";
        assert_eq!(concrete_package(ubuntu), None);
    }
}
