/// One line of an answer on the control socket: a JSON object with one key, such as `{"entry":{...}}` or `{"end":{}}`.
///
/// An answer is any number of other lines and, as its last line, `end` or `failure`. An answer that breaks off before
/// that is incomplete, and a client must say so.
package enum ControlResponse: Hashable, Sendable {
    /// One queued message.
    case entry(QueueEntry)
    /// How the hub is doing.
    case status(HubStatus)
    /// How many messages an operation was carried out on.
    case changed(Int)
    /// What became of a reload.
    case reloaded(ReloadReport)
    /// What a delivery would do.
    case tls(TLSReport)
    /// One plugin that runs.
    case plugin(PluginEntry)
    /// What a plugin answers.
    case answer(PluginAnswer)
    /// That was all; for a listing that was cut by its limit, where to continue.
    case end(ListingEnd)
    /// The request was not, or not wholly, carried out.
    case failure(ControlFailure)
}

/// Where a listing ended.
package struct ListingEnd: Codable, Hashable, Sendable {
    /// The name of the message after which the rest follows; `nil` when there is no more.
    package var next: String?

    package init(next: String? = nil) { self.next = next }
}

/// Why the hub did not do what it was asked.
package struct ControlFailure: Error, Codable, Hashable, Sendable {
    /// The kind of failure.
    package enum Reason: String, Codable, Hashable, Sendable {
        /// The request makes no sense: not JSON, too large, an unknown operation, a name that is none.
        case invalidRequest
        /// The peer is neither the hub's own user nor root.
        case notPermitted
        /// There is no such message.
        case notFound
        /// Too many operators at once, or the hub is about to stop.
        case busy
        /// The hub tried, and could not.
        case failed
    }

    /// The kind of failure.
    package var reason: Reason
    /// What went wrong, in a sentence for the operator.
    package var text: String

    package init(_ reason: Reason, _ text: String) {
        self.reason = reason
        self.text = text
    }
}

extension ControlFailure: CustomStringConvertible {
    package var description: String { self.text }
}

extension ControlResponse: Codable {
    private enum CodingKeys: String, CodingKey {
        case entry, status, changed, reloaded, tls, plugin, answer, end, failure
    }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        guard let key = container.allKeys.first, container.allKeys.count == 1 else {
            throw DecodingError.dataCorrupted(
                DecodingError.Context(codingPath: container.codingPath, debugDescription: "not one known key")
            )
        }
        self =
            switch key {
            case .entry: .entry(try container.decode(QueueEntry.self, forKey: key))
            case .status: .status(try container.decode(HubStatus.self, forKey: key))
            case .changed: .changed(try container.decode(Int.self, forKey: key))
            case .reloaded: .reloaded(try container.decode(ReloadReport.self, forKey: key))
            case .tls: .tls(try container.decode(TLSReport.self, forKey: key))
            case .plugin: .plugin(try container.decode(PluginEntry.self, forKey: key))
            case .answer: .answer(try container.decode(PluginAnswer.self, forKey: key))
            case .end: .end(try container.decode(ListingEnd.self, forKey: key))
            case .failure: .failure(try container.decode(ControlFailure.self, forKey: key))
            }
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        switch self {
        case .entry(let entry): try container.encode(entry, forKey: .entry)
        case .status(let status): try container.encode(status, forKey: .status)
        case .changed(let count): try container.encode(count, forKey: .changed)
        case .reloaded(let report): try container.encode(report, forKey: .reloaded)
        case .tls(let report): try container.encode(report, forKey: .tls)
        case .plugin(let entry): try container.encode(entry, forKey: .plugin)
        case .answer(let answer): try container.encode(answer, forKey: .answer)
        case .end(let end): try container.encode(end, forKey: .end)
        case .failure(let failure): try container.encode(failure, forKey: .failure)
        }
    }
}
