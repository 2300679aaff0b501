//! The default name of a run: the script that its command runs, else the program.

use std::path::Path;

/// Programs that run a script which their arguments name. A name may have a version behind it, such as `python3.12`.
const LAUNCHERS: [&str; 26] = [
    "accelerate",
    "bash",
    "conda",
    "dash",
    "deepspeed",
    "env",
    "ipython",
    "julia",
    "mpiexec",
    "mpirun",
    "nice",
    "node",
    "nohup",
    "papermill",
    "perl",
    "pixi",
    "poetry",
    "pypy",
    "python",
    "Rscript",
    "ruby",
    "sh",
    "srun",
    "torchrun",
    "uv",
    "zsh",
];
/// Extensions of scripts.
const SCRIPTS: [&str; 9] = ["R", "ipynb", "jl", "js", "pl", "py", "rb", "r", "sh"];

/// Returns the name that a command gives its run: `train.py` for `python -u train.py --lr 3`, `pkg.train` for
/// `torchrun -m pkg.train`, else the program's. `None` without a command.
pub(super) fn of_command(command: &[String]) -> Option<String> {
    let (program, arguments) = command.split_first()?;
    let program = file_name(program)?;
    let launcher = program.trim_end_matches(|letter: char| letter.is_ascii_digit() || letter == '.');
    let script = LAUNCHERS.contains(&launcher).then(|| script(arguments)).flatten();
    Some(script.unwrap_or(program))
}

/// Returns the first script or module among the arguments of a launcher.
fn script(arguments: &[String]) -> Option<String> {
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            // The program is a text, which is no name.
            "-c" | "-e" => return None,
            "-m" | "--module" => return words.next().cloned(),
            _ => {}
        }
        let is_script = |name: &String| {
            let extension = Path::new(name).extension().and_then(|extension| extension.to_str());
            extension.is_some_and(|extension| SCRIPTS.contains(&extension))
        };
        if let Some(name) = file_name(word).filter(is_script).filter(|_| !word.starts_with('-')) {
            return Some(name);
        }
    }
    None
}

fn file_name(path: &str) -> Option<String> {
    Some(Path::new(path).file_name()?.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_is_named_after_its_script() {
        for (command, name) in [
            ("python train.py --lr 3", "train.py"),
            ("/usr/bin/python3.12 -u -X dev src/train.py eval.py", "train.py"),
            ("python -m pkg.train data.py", "pkg.train"),
            ("python -c text train.py", "python"),
            ("python --config=a.py", "python"),
            ("python", "python"),
            ("torchrun --nproc_per_node 8 train.py", "train.py"),
            ("accelerate launch --config_file a.yaml train.py", "train.py"),
            ("uv run python train.py", "train.py"),
            ("bash run.sh", "run.sh"),
            ("sh -c ls", "sh"),
            ("./train.py", "train.py"),
            ("ls train.py", "ls"),
            ("make -j4", "make"),
        ] {
            let words: Vec<String> = command.split(' ').map(str::to_owned).collect();
            assert_eq!(of_command(&words).as_deref(), Some(name), "{command}");
        }
        assert_eq!(of_command(&[]), None);
    }
}
