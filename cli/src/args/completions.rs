//! Flags of `eco2 completions`.

use clap::{Args, ValueEnum};

const COMPLETIONS: &str = "\
Examples:
  eco2 completions bash > ~/.local/share/bash-completion/completions/eco2
  eco2 completions zsh > ~/.zfunc/_eco2        with fpath+=(~/.zfunc) before compinit in ~/.zshrc
  eco2 completions fish > ~/.config/fish/completions/eco2.fish";

/// Flags of `eco2 completions`.
#[derive(Debug, Args)]
#[command(after_long_help = COMPLETIONS)]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL", value_enum)]
    pub(crate) shell: Shell,
}

/// Shells of `eco2 completions`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shell {
    Bash,
    Zsh,
    Fish,
}
