import Foundation
import TestSupport
import Testing

/// A folder with a hub in it, ended when the test is over.
final class Scenario {
    let directory: TemporaryDirectory
    let hub: HubProcess

    var folder: URL { self.directory.url }

    /// Makes a hub that is not started yet.
    ///
    /// - Parameters:
    ///   - routes: beside the route `store`, which delivers mail for example.org into Maildirs.
    ///   - more: keys of config.json.
    init(
        in directory: TemporaryDirectory? = nil,
        routes: [String: [String: Any]] = [:],
        more: [String: Any] = [:]
    ) throws {
        self.directory = try directory ?? TemporaryDirectory()
        var keys = more
        keys["routes"] = routes.merging(["store": ["transport": "maildir", "directory": "maildir"]]) { $1 }
        self.hub = try HubProcess(folder: self.directory.url, more: keys)
    }

    /// Waits for one message in a mailbox.
    func message(for user: String) throws -> Data {
        guard eventually({ !self.hub.mailboxFiles(user).isEmpty }), let message = self.hub.mailbox(user).first else {
            throw PeerFailure("no mail for \(user): \(self.hub.log.suffix(2000))")
        }
        return message
    }

    /// Changes config.json.
    func reconfigure(_ edit: (inout [String: Any]) -> Void) throws {
        var configuration = try self.hub.configuration()
        edit(&configuration)
        try self.hub.configure(configuration)
    }

    /// A greeted client.
    func client() throws -> SMTPTestClient {
        let client = try SMTPTestClient(port: self.hub.port)
        _ = try client.expect("250", "EHLO client.example.net")
        return client
    }

    /// Sends one small message.
    ///
    /// - Returns: the reply.
    @discardableResult
    func send(from sender: String = "ann@example.org", to recipients: String..., subject: String = "x") throws -> String
    {
        let client = try self.client()
        defer { client.close() }
        let content = "Subject: \(subject)\r\nFrom: <ann@example.org>\r\n\r\nHello\r\n"
        let reply = try client.message(from: sender, to: recipients, content: content.utf8)
        guard reply.hasPrefix("250") else { throw PeerFailure("not accepted: \(reply)") }
        return reply
    }
}

extension Data {
    /// As text, whatever the octets are.
    var text: String { String(decoding: self, as: UTF8.self) }
}
