import MailHubPlugin
import Synchronization

/// What a probe does when it is called, at any stage.
enum Behaviour: Sendable {
    case next, accept
    case reject(Reply)
    case `defer`(Reply)
    case disconnect(Reply)
    case discard
    case hold(String)
    case `throw`
    /// Does not answer until it is cancelled.
    case hang
    /// Does not answer until the scribe lets it go, cancelled or not; then refuses.
    case hangOn
    /// The same, but then it answers `next`.
    case answerLate
}

/// Thrown by probes.
struct Broken: Error {}

/// Writes down what probes see.
final class Scribe: Sendable {
    private let lines = Mutex<[String]>([])
    private let waiting = Mutex<(isReleased: Bool, probes: [CheckedContinuation<Void, Never>])>((false, []))

    func note(_ line: String) { self.lines.withLock { $0.append(line) } }

    var notes: [String] { self.lines.withLock { $0 } }

    func count(_ line: String) -> Int { self.notes.count { $0 == line } }

    /// Lets probes go that hang on.
    func release() {
        let probes = self.waiting.withLock { waiting in
            waiting.isReleased = true
            defer { waiting.probes = [] }
            return waiting.probes
        }
        for probe in probes { probe.resume() }
    }

    fileprivate func hangOn() async {
        await withCheckedContinuation { continuation in
            let isReleased = self.waiting.withLock { waiting in
                if !waiting.isReleased { waiting.probes.append(continuation) }
                return waiting.isReleased
            }
            if isReleased { continuation.resume() }
        }
    }

    /// Waits until the line has been noted so many times.
    func has(_ line: String, times: Int = 1) async throws {
        for _ in 0..<60_000 {
            if self.count(line) >= times { return }
            try await Task.sleep(for: .milliseconds(1))
        }
        throw NotNoted(line: line, notes: self.notes)
    }

    struct NotNoted: Error {
        let line: String
        let notes: [String]
    }
}

extension Behaviour {
    /// Notes the call, and waits or throws where that is what it does.
    func called(_ name: String, _ stage: Stage, _ scribe: Scribe) async throws -> Behaviour {
        scribe.note("\(name) \(stage.rawValue)")
        switch self {
        case .throw:
            throw Broken()
        case .hang:
            do {
                try await Task.sleep(for: .seconds(3600))
            } catch {
                scribe.note("\(name) cancelled")
                throw error
            }
            return .next
        case .hangOn:
            await scribe.hangOn()
            return .reject(Reply(550, EnhancedStatusCode(7, 1), "Too late"))
        case .answerLate:
            await scribe.hangOn()
            scribe.note("\(name) late")
            return .next
        case .next, .accept, .reject, .defer, .disconnect, .discard, .hold:
            return self
        }
    }
}
