//! `initramfs`: arguments → an image file.

use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use clap::ValueEnum;
use initramfs::Compression;
use initramfs::Image;

/// Builds a reproducible initramfs.
///
/// PATH is a path in the image, FILE a file of this machine.
#[derive(Parser)]
#[command(name = "initramfs", version)]
struct Arguments {
    /// Where the image goes
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// How the image is packed
    #[arg(long, value_enum, default_value_t = Packing::Gzip)]
    compression: Packing,
    /// A statically linked program; repeatable
    #[arg(long, value_name = "PATH=FILE", value_parser = pair)]
    binary: Vec<(String, String)>,
    /// A program with its loader and libraries; repeatable
    #[arg(long, value_name = "PATH=FILE", value_parser = pair)]
    program: Vec<(String, String)>,
    /// Where loader and libraries are looked for, first hit wins; repeatable
    #[arg(long, value_name = "DIR", default_value = "/", requires = "program")]
    library_root: Vec<PathBuf>,
    /// A file, mode 0644; repeatable
    #[arg(long, value_name = "PATH=FILE", value_parser = pair)]
    file: Vec<(String, String)>,
    /// A script, mode 0755; repeatable
    #[arg(long, value_name = "PATH=FILE", value_parser = pair)]
    script: Vec<(String, String)>,
    /// A symbolic link; repeatable
    #[arg(long, value_name = "PATH=TARGET", value_parser = pair)]
    symlink: Vec<(String, String)>,
    /// The kernel's modules, as /lib/modules/6.1.0-56-cloud-amd64
    #[arg(long, value_name = "DIR")]
    modules_dir: Option<PathBuf>,
    /// Modules by name or alias; what they need comes with them
    #[arg(
        long,
        value_name = "NAME,…",
        value_delimiter = ',',
        requires = "modules_dir"
    )]
    modules: Vec<String>,
    /// Also the drivers of drives and disks that hold configurations, as far as the kernel has them
    #[arg(long, requires = "modules_dir")]
    media: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Packing {
    Gzip,
    None,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (path, value) = text.split_once('=').ok_or("expected PATH=VALUE")?;
    Ok((path.to_owned(), value.to_owned()))
}

fn main() -> ExitCode {
    match build(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("initramfs: {error}");
            ExitCode::FAILURE
        }
    }
}

fn build(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let mut image = Image::new();
    for (path, file) in &arguments.binary {
        image = image.binary(path, file);
    }
    for (path, file) in &arguments.program {
        image = image.program(path, file, &arguments.library_root);
    }
    for (path, file) in &arguments.file {
        image = image.host_file(path, file, 0o644);
    }
    for (path, file) in &arguments.script {
        image = image.host_file(path, file, 0o755);
    }
    for (path, target) in &arguments.symlink {
        image = image.symlink(path, target);
    }
    if let Some(folder) = &arguments.modules_dir {
        let mut names: Vec<&str> = arguments.modules.iter().map(String::as_str).collect();
        if arguments.media {
            names.extend(initramfs::modules::media(folder)?);
        }
        image = image.modules(folder, &names);
    }
    let compression = match arguments.compression {
        Packing::Gzip => Compression::Gzip,
        Packing::None => Compression::None,
    };
    let bytes = image.build(compression)?;
    fs::write(&arguments.output, &bytes)
        .map_err(|error| format!("{}: {error}", arguments.output.display()))?;
    println!("{}: {} KiB", arguments.output.display(), bytes.len() / 1024);
    Ok(())
}
