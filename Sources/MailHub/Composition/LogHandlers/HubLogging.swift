import Glibc
package import Logging
import Synchronization

/// How the hub logs: the `log` part of config.json.
package struct LogSettings: Hashable, Sendable {
    /// Lines below this level are not made.
    package var level: Logger.Level
    /// How lines look.
    package var format: LogFormat
    /// Where lines go.
    package var output: LogOutput

    package init(level: Logger.Level = .info, format: LogFormat = .text, output: LogOutput = .standardError) {
        self.level = level
        self.format = format
        self.output = output
    }
}

/// The process's one log.
package enum HubLogging {
    private static let sink = Mutex<LogSink?>(nil)

    /// Sends everything that is logged in this process where the settings say.
    ///
    /// The first call decides on format and output; later ones change the level, also of loggers that exist already.
    package static func start(_ settings: LogSettings) throws {
        try Self.sink.withLock { current in
            if let current {
                current.level = settings.level
                return
            }
            let output = settings.output
            let sink = try LogSink(format: settings.format, level: settings.level) { output.write($0) }
            LoggingSystem.bootstrap(
                { label, provider in HubLogHandler(label: label, sink: sink, metadataProvider: provider) },
                metadataProvider: nil
            )
            atexit { HubLogging.flush() }
            current = sink
        }
    }

    /// Waits up to two seconds until what was logged is written; done by itself at a regular exit.
    package static func flush() {
        let sink = Self.sink.withLock { $0 }
        sink?.flush()
    }
}
