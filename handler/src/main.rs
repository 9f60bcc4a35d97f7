//! The `bootstrap` of the `provided.al2023` runtime.

fn main() -> std::process::ExitCode {
    k2m_handler::main()
}
