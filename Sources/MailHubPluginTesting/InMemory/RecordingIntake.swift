import Foundation
package import MailQueue
import NIOCore
import NIOPosix
import Reception
import Synchronization

/// An intake that keeps what it is given, or cannot store anything.
package final class RecordingIntake: MessageIntake {
    package let content: ContentDirectory
    private let fault: StoreError?
    private let taken = Mutex<[NewMessage]>([])
    private let count = Mutex(0)
    private let told = Mutex<[RecipientFailure]>([])

    /// - Parameter hasFolder: whether there is a folder for contents that are too large for memory.
    package init(fault: StoreError? = nil, hasFolder: Bool = true) throws {
        let path = "/tmp/mailhub-reception-\(UInt64.random(in: .min ... .max))"
        self.fault = fault
        self.content = ContentDirectory(path: path, pool: .singleton)
        if hasFolder { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false) }
    }

    deinit { try? FileManager.default.removeItem(atPath: self.content.path) }

    package func accept(_ message: NewMessage) async throws(StoreError) {
        if let fault { throw fault }
        self.taken.withLock { $0.append(message) }
        self.count.withLock { $0 += 1 }
    }

    package func accept(_ messages: [NewMessage], failing failures: [RecipientFailure]) async throws(StoreError) {
        if let fault { throw fault }
        self.taken.withLock { $0 += messages }
        self.told.withLock { $0 += failures }
        self.count.withLock { $0 += 1 }
    }

    /// Recipients whose sender is to be told that they did not take a message.
    package var failures: [RecipientFailure] { self.told.withLock { $0 } }

    /// How often something was stored.
    package var commits: Int { self.count.withLock { $0 } }

    /// What was stored, in order.
    package var messages: [NewMessage] { self.taken.withLock { $0 } }

    /// Files in the folder.
    package var files: [String] { (try? FileManager.default.contentsOfDirectory(atPath: self.content.path)) ?? [] }

    package func octets(of message: NewMessage) async throws -> [UInt8] {
        var result: [UInt8] = []
        try await self.content.forEachPiece(of: message.content) { (piece) async throws(any Error) in
            result += piece.readableBytesView
        }
        return result
    }
}
