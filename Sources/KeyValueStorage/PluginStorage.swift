import Foundation
import GRDB
package import Logging
package import MailHubPlugin
package import SMTP

/// The key-value stores of all plugins, in one SQLite file beside the queue.
///
/// The write-ahead log is not synced with each change: what is lost by a power failure (not by a crash of the process) is the
/// last seconds of greylisting and caches, which a retry makes good. Mail is in the queue's own file, which is synced.
package final class PluginStorage: Sendable {
    private let database: DatabasePool
    private let clock: any WallClock
    private let logger: Logger

    private static let tables = """
        CREATE TABLE IF NOT EXISTS entry (
            space TEXT NOT NULL, key TEXT NOT NULL, data BLOB NOT NULL, expires INTEGER, PRIMARY KEY (space, key)
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX IF NOT EXISTS entry_expires ON entry (expires) WHERE expires IS NOT NULL;
        """

    /// Opens the file, or begins a new one; a damaged file is set aside, for nothing in it is irreplaceable.
    ///
    /// - Parameter directory: made where it is missing.
    /// - Throws: where the file can be neither read nor made.
    package init(directory: String, clock: any WallClock, logger: Logger) throws {
        self.clock = clock
        self.logger = logger
        try FileManager.default.createDirectory(
            atPath: directory,
            withIntermediateDirectories: true,
            attributes: [.posixPermissions: 0o700]
        )
        let path = "\(directory)/plugins.sqlite"
        do {
            self.database = try Self.open(path)
        } catch let error as DatabaseError where [.SQLITE_CORRUPT, .SQLITE_NOTADB].contains(error.resultCode) {
            let aside = "\(path).damaged-\(clock.now.seconds)"
            for suffix in ["", "-wal", "-shm"] {
                try? FileManager.default.moveItem(atPath: path + suffix, toPath: aside + suffix)
            }
            logger.critical(
                "plugins' file is damaged and was set aside",
                metadata: ["file": "\(aside)", "error": "\(error)"]
            )
            self.database = try Self.open(path)
        }
    }

    private static func open(_ path: String) throws -> DatabasePool {
        if !FileManager.default.fileExists(atPath: path) {
            _ = FileManager.default.createFile(atPath: path, contents: nil, attributes: [.posixPermissions: 0o600])
        }
        var configuration = Configuration()
        configuration.label = "plugins"
        configuration.maximumReaderCount = 2
        configuration.busyMode = .timeout(5)
        configuration.prepareDatabase { try $0.execute(sql: "PRAGMA synchronous = NORMAL") }
        let database = try DatabasePool(path: path, configuration: configuration)
        try database.write { try $0.execute(sql: Self.tables) }
        return database
    }

    /// The store of one plugin.
    ///
    /// - Parameter name: the plugin's name in config.json.
    package func store(of name: String) -> any KeyValueStore {
        PluginStore(space: name, database: self.database, clock: self.clock)
    }

    /// Removes what has expired: to be called now and then.
    package func sweep() async {
        let now = self.clock.now.milliseconds
        do {
            var removed = Self.sweptAtOnce
            while removed == Self.sweptAtOnce {
                removed = try await self.database.write { database in
                    try database.execute(
                        sql: """
                            DELETE FROM entry WHERE (space, key) IN (
                                SELECT space, key FROM entry WHERE expires IS NOT NULL AND expires <= ? LIMIT ?
                            )
                            """,
                        arguments: [now, Self.sweptAtOnce]
                    )
                    return database.changesCount
                }
            }
        } catch {
            self.logger.warning("expired entries of plugins stay for now", metadata: ["error": "\(error)"])
        }
    }

    /// Entries removed in one transaction at most, so that plugins need not wait long.
    private static let sweptAtOnce = 2_000

    /// Lets go of the file.
    package func close() {
        do {
            try self.database.close()
        } catch {
            self.logger.warning("plugins' file could not be closed", metadata: ["error": "\(error)"])
        }
    }
}
