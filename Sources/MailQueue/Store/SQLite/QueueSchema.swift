import GRDB
import GRDBSQLite

/// The tables of the queue, and the settings of every connection to them.
enum QueueSchema {
    /// What `PRAGMA user_version` says in a file that this code can use.
    static let version = 1

    /// All tables.
    ///
    /// `recipient` is clustered by message; `recipient_due` holds what the schedule reads and nothing but waiting recipients.
    /// The meaning of numbers: `RecipientState`, `MessageFlags`, `NotificationEvent`, `NotifyConditions`; times are
    /// milliseconds since 1970.
    private static let tables = """
        CREATE TABLE message (
            id INTEGER PRIMARY KEY, arrival INTEGER NOT NULL, flags INTEGER NOT NULL, size INTEGER NOT NULL,
            sender TEXT NOT NULL, envid TEXT, declared INTEGER, file TEXT, hold TEXT, damage TEXT
        ) STRICT;
        CREATE TABLE content (id INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT;
        CREATE TABLE recipient (
            message INTEGER NOT NULL, position INTEGER NOT NULL, state INTEGER NOT NULL, due INTEGER NOT NULL,
            destination TEXT NOT NULL, address TEXT NOT NULL, attempts INTEGER NOT NULL DEFAULT 0,
            notify INTEGER, original TEXT, route TEXT, owner TEXT,
            warned INTEGER NOT NULL DEFAULT 0, event INTEGER, last_time INTEGER, last_reply TEXT, last_host TEXT,
            PRIMARY KEY (message, position)
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX recipient_due ON recipient (due, message, position, destination) WHERE state = 0;
        CREATE INDEX recipient_notifying ON recipient (message) WHERE state = 2;
        CREATE INDEX message_file ON message (file) WHERE file IS NOT NULL;
        """

    /// Opens a connection.
    ///
    /// `PRAGMA synchronous = FULL` syncs the log with every commit.
    static func connect(_ path: String, label: String, readingOnly: Bool, maximumPages: Int?) throws -> DatabaseQueue {
        var configuration = Configuration()
        configuration.label = label
        configuration.foreignKeysEnabled = false
        configuration.busyMode = .timeout(10)
        configuration.prepareDatabase { database in
            try database.execute(sql: "PRAGMA page_size = 4096")
            try database.execute(sql: "PRAGMA journal_mode = WAL")
            try database.execute(sql: "PRAGMA synchronous = FULL")
            // When is decided by QueueWriter.
            try database.execute(sql: "PRAGMA wal_autocheckpoint = 0")
            try database.execute(sql: "PRAGMA journal_size_limit = 67108864")
            try database.execute(sql: "PRAGMA cache_size = -32768")
            try database.execute(sql: "PRAGMA temp_store = MEMORY")
            if readingOnly { try database.execute(sql: "PRAGMA query_only = ON") }
            if let maximumPages { try database.execute(sql: "PRAGMA max_page_count = \(maximumPages)") }
        }
        return try DatabaseQueue(path: path, configuration: configuration)
    }

    /// Makes the tables in a new file, and checks the version of an old one.
    ///
    /// - Throws: `StoreError.unavailable` for a file of another version, `SQLiteFailure` for a corrupt one.
    static func prepare(_ database: Database) throws {
        let found = try Int.fetchOne(database, sql: "PRAGMA user_version") ?? 0
        let isEmpty = try Int.fetchOne(database, sql: "SELECT count(*) FROM sqlite_master") == 0
        switch (found, isEmpty) {
        case (Self.version, false):
            // Touches every tree: what cannot be opened at all is noticed now.
            for tree in ["message", "content", "recipient", "recipient INDEXED BY recipient_due WHERE state = 0"] {
                _ = try Row.fetchOne(database, sql: "SELECT * FROM \(tree) LIMIT 1")
            }
        case (0, true):
            try database.inTransaction(.immediate) {
                try database.execute(sql: self.tables)
                try database.execute(sql: "PRAGMA user_version = \(Self.version)")
                return .commit
            }
        default:
            throw StoreError.unavailable(
                "the queue has schema \(found), this MailHub knows schema \(Self.version): start the version that wrote it"
            )
        }
    }
}
