import ArgumentParser
import Dispatch
import Foundation
import Glibc

/// Reads a password: from the terminal without showing it, or the first line of standard input.
enum Password {
    /// - Parameter twice: whether a person at a terminal has to repeat it.
    static func ask(twice: Bool) throws -> String {
        guard isatty(STDIN_FILENO) == 1 else {
            guard let line = readLine(strippingNewline: true) else {
                Output.complain("no password on standard input")
                throw ExitCode.failure
            }
            return line
        }
        let password = try Self.prompt("Password: ")
        guard twice else { return password }
        guard try Self.prompt("Again: ") == password else {
            Output.complain("these are not the same; nothing was changed")
            throw ExitCode.failure
        }
        return password
    }

    private static func prompt(_ text: String) throws -> String {
        var settings = termios()
        guard unsafe tcgetattr(STDIN_FILENO, &settings) == 0 else {
            Output.complain("the terminal cannot hide what is typed; use standard input")
            throw ExitCode.failure
        }
        let before = settings
        // Whoever gives up here wants to see again what is typed.
        let registered = DispatchGroup()
        let interrupts = [SIGINT, SIGTERM, SIGHUP, SIGQUIT].map { number in
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            source.setEventHandler {
                var restored = before
                _ = unsafe tcsetattr(STDIN_FILENO, TCSAFLUSH, &restored)
                FileHandle.standardError.write(Data("\n".utf8))
                // `exit` would wait for the thread that reads standard input.
                _exit(128 + number)
            }
            registered.enter()
            source.setRegistrationHandler { registered.leave() }
            let handler = signal(number, SIG_IGN)
            source.resume()
            return (number, source, handler)
        }
        registered.wait()
        defer {
            for (number, source, handler) in interrupts {
                source.cancel()
                signal(number, handler)
            }
        }
        settings.c_lflag &= ~tcflag_t(ECHO)
        FileHandle.standardError.write(Data(text.utf8))
        _ = unsafe tcsetattr(STDIN_FILENO, TCSAFLUSH, &settings)
        let line = readLine(strippingNewline: true)
        var restored = before
        _ = unsafe tcsetattr(STDIN_FILENO, TCSAFLUSH, &restored)
        FileHandle.standardError.write(Data("\n".utf8))
        guard let line else { throw ExitCode.failure }
        return line
    }
}
