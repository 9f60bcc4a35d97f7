//! The handler as it is, but with the names of its functions, which the binary that is deployed may lack: what the benchmark looks into to say
//! where the time goes.

fn main() -> std::process::ExitCode {
    k2m_handler::main()
}
