import LDAPClient
import Logging
import MailHubPlugin
import Synchronization

/// Makes the directory of a configuration, and keeps it over reloads that leave `"directory"` as it is: its connections stay.
///
/// Nothing is connected, and no thread started, before the first search, so a check of a configuration may ask for it too.
final class DirectoryService: Sendable {
    private let logger: Logger
    private let present = Mutex<(settings: LDAPSettings, directory: LDAPDirectory)?>(nil)

    init(logger: Logger) { self.logger = logger }

    /// The directory that the settings describe; `nil` where there are none.
    ///
    /// One that was replaced lives as long as plugins hold it.
    ///
    /// `nil` too where the process has no file descriptor left, which is logged.
    func directory(for settings: LDAPSettings?) -> (any Directory)? {
        guard let settings else { return nil }
        return self.present.withLock { present in
            if let present, present.settings == settings { return present.directory }
            do {
                let directory = try makeDirectory(from: settings, logger: self.logger)
                present = (settings, directory)
                return directory
            } catch {
                self.logger.error("no directory", metadata: ["error": "\(error)"])
                return nil
            }
        }
    }
}

/// A directory for the settings under `"directory"` in config.json.
///
/// - Throws: where the process has no file descriptor left.
func makeDirectory(from settings: LDAPSettings, logger: Logger) throws -> LDAPDirectory {
    try LDAPDirectory(settings: settings, logger: logger)
}
