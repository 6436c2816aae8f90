import Dispatch
package import Logging
import Synchronization

/// Where log lines go: a bounded buffer that a thread of its own empties into a file descriptor.
///
/// Whoever logs never waits: not for a slow terminal, not for a full pipe. While the buffer is full, lines are dropped and
/// counted; warnings and worse have room of their own, so that a flood of others does not hide them.
package final class LogSink: Sendable {
    /// How much may wait to be written.
    package struct Capacity: Sendable {
        /// Octets for lines of every level.
        package var all = 1024 * 1024
        /// Further octets for warnings and worse.
        package var urgent = 256 * 1024

        package init() {}
    }

    private struct State {
        var pending: [UInt8] = []
        var clock: LogClock
        /// Lines that found no room since the last that was written.
        var dropped = 0
        var writer = Writer.atWork
        var isClosed = false
        /// Who waits until everything before is written.
        var flushes: [DispatchSemaphore] = []
    }

    /// What the writer's thread does.
    private enum Writer {
        case atWork
        /// It waits a moment, so that lines which follow each other closely share a write and cost no signal each.
        case pausing
        /// It waits for a signal.
        case asleep
    }

    /// How long the writer pauses after a write.
    private static let pause: DispatchTimeInterval = .milliseconds(5)
    /// Octets that end the pause.
    private static let pauseLimit = 64 * 1024

    let format: LogFormat
    private let capacity: Capacity
    private let state: Mutex<State>
    private let wake = DispatchSemaphore(value: 0)
    private let lowestLevel: Atomic<Int>

    /// Starts the writer.
    ///
    /// - Parameters:
    ///   - format: of the lines.
    ///   - level: of loggers that were not given one of their own.
    ///   - output: takes whole lines, on the sink's own thread, and may wait there.
    package convenience init(
        format: LogFormat,
        level: Logger.Level,
        capacity: Capacity = Capacity(),
        output: @escaping @Sendable ([UInt8]) -> Void
    ) throws {
        try self.init(format: format, level: level, capacity: capacity, clock: LogClock(), output: output)
    }

    init(
        format: LogFormat,
        level: Logger.Level,
        capacity: Capacity,
        clock: LogClock,
        output: @escaping @Sendable ([UInt8]) -> Void
    ) throws {
        self.format = format
        self.capacity = capacity
        self.state = Mutex(State(clock: clock))
        self.lowestLevel = Atomic(level.severity)
        // Ends with `close()`; the hub's own sink lives as long as the process.
        try LogThread.start { self.writeUntilClosed(output) }
    }

    /// The level of loggers that were not given one of their own; may be changed at any time.
    package var level: Logger.Level {
        get { Logger.Level(severity: self.lowestLevel.load(ordering: .relaxed)) }
        set { self.lowestLevel.store(newValue.severity, ordering: .relaxed) }
    }

    /// Takes a line; never waits.
    ///
    /// - Parameter tail: everything behind the time.
    func write(_ tail: [UInt8], level: Logger.Level) {
        let now = LogClock.now()
        let limit = level >= .warning ? self.capacity.all + self.capacity.urgent : self.capacity.all
        let mustWake = self.state.withLock { state in
            guard !state.isClosed, state.pending.count + tail.count + 64 <= limit else {
                state.dropped += 1
                return false
            }
            Self.append(tail, at: now, format: self.format, to: &state)
            switch state.writer {
            case .atWork: return false
            case .pausing where state.pending.count < Self.pauseLimit: return false
            case .pausing, .asleep:
                state.writer = .atWork
                return true
            }
        }
        if mustWake { self.wake.signal() }
    }

    /// Waits until what was logged before is written, but no longer than two seconds.
    package func flush() {
        let written = DispatchSemaphore(value: 0)
        let isOpen = self.state.withLock { state in
            if !state.isClosed { state.flushes.append(written) }
            return !state.isClosed
        }
        guard isOpen else { return }
        self.wake.signal()
        _ = written.wait(timeout: .now() + .seconds(2))
    }

    /// Ends the writer once it has written what is there.
    package func close() {
        self.state.withLock { $0.isClosed = true }
        self.wake.signal()
    }

    private static func append(
        _ tail: [UInt8],
        at now: (seconds: Int, milliseconds: Int),
        format: LogFormat,
        to state: inout State
    ) {
        LogText.append(format.head, to: &state.pending)
        state.clock.append(seconds: now.seconds, milliseconds: now.milliseconds, to: &state.pending)
        state.pending.append(contentsOf: tail)
    }

    /// The writer's thread: two buffers change places, one being filled while the other is written.
    private func writeUntilClosed(_ output: ([UInt8]) -> Void) {
        var batch: [UInt8] = []
        while true {
            batch.removeAll(keepingCapacity: true)
            var flushes: [DispatchSemaphore] = []
            let isClosed = self.state.withLock { state in
                if state.dropped > 0 { self.appendDropped(to: &state) }
                swap(&batch, &state.pending)
                swap(&flushes, &state.flushes)
                if batch.isEmpty, flushes.isEmpty { state.writer = .asleep }
                return state.isClosed
            }
            if batch.isEmpty, flushes.isEmpty {
                if isClosed { return }
                self.wake.wait()
                continue
            }
            if !batch.isEmpty { output(batch) }
            for flush in flushes { flush.signal() }
            self.rest()
        }
    }

    /// Pauses, unless there is something that does not wait.
    private func rest() {
        let mayRest = self.state.withLock { state in
            let mayRest = !state.isClosed && state.flushes.isEmpty && state.pending.count < Self.pauseLimit
            if mayRest { state.writer = .pausing }
            return mayRest
        }
        guard mayRest else { return }
        _ = self.wake.wait(timeout: .now() + Self.pause)
        self.state.withLock { $0.writer = .atWork }
    }

    private func appendDropped(to state: inout State) {
        var tail: [UInt8] = []
        self.format.appendTail(
            level: .warning,
            label: "mailhub.log",
            message: "log lines dropped",
            metadata: [(key: "count", value: "\(state.dropped)")],
            to: &tail
        )
        Self.append(tail, at: LogClock.now(), format: self.format, to: &state)
        state.dropped = 0
    }
}

extension Logger.Level {
    /// The place among all levels: 0 for `trace`.
    fileprivate var severity: Int { Self.allCases.firstIndex(of: self) ?? 0 }

    fileprivate init(severity: Int) {
        self = Self.allCases.indices.contains(severity) ? Self.allCases[severity] : .info
    }
}
