import Foundation
import Logging
import NIOPosix
import Reception
import SASL
import ServiceLifecycle

/// Takes a changed file of users into use, without a restart and without dropping a session.
struct UserFileWatch: Service {
    private let live: LiveConfiguration
    private let pool: NIOThreadPool
    private let logger: Logger
    /// How often the file is looked at.
    private static let interval = Duration.seconds(2)

    init(live: LiveConfiguration, pool: NIOThreadPool, logger: Logger) {
        self.live = live
        self.pool = pool
        self.logger = logger
    }

    /// What tells one state of a file from another.
    private struct Mark: Hashable {
        let path: String
        let modified: Date?
        let number: Int?
        let size: Int?
    }

    func run() async throws {
        await cancelWhenGracefulShutdown {
            var last: Mark?
            while !Task.isCancelled {
                if let accounts = self.live.current.configuration.authentication.accounts {
                    let mark = try? await self.pool.runIfActive { Self.mark(of: accounts.path) }
                    // The configuration's reader has read the first state.
                    if let last, let mark, last != mark, last.path == mark.path { await self.reload(accounts) }
                    last = mark ?? last
                }
                try? await Task.sleep(for: Self.interval)
            }
        }
    }

    private static func mark(of path: String) -> Mark {
        let attributes = try? FileManager.default.attributesOfItem(atPath: path)
        return Mark(
            path: path,
            modified: attributes?[.modificationDate] as? Date,
            number: attributes?[.systemFileNumber] as? Int,
            size: attributes?[.size] as? Int
        )
    }

    private func reload(_ accounts: UserAccounts) async {
        let path = accounts.path
        let result = try? await self.pool.runIfActive {
            Result { () throws(UserFileStorage.Failure) in
                try UserFileStorage.read(path)
            }
        }
        switch result {
        case .success(let file):
            accounts.replace(with: file)
            self.logger.notice("users reloaded", metadata: ["users": "\(file.users.count)"])
        case .failure(let failure):
            self.logger.error("users kept: the changed file cannot be used", metadata: ["error": "\(failure)"])
        case nil: break
        }
    }
}
