package import Logging
package import NIOCore
import Synchronization

/// How a chain of hooks ended.
package enum ChainResult<State: Sendable, Outcome: Sendable>: Sendable {
    /// Every plugin answered `next` or changed something.
    case passed(State)
    /// A plugin's answer ended the chain.
    case decided(Outcome, State)
    /// A plugin threw or took too long, and its configuration says `defer`.
    case failed(plugin: String)
}

/// A plugin did not answer within its time limit.
struct TimeLimitExceeded: Error, CustomStringConvertible {
    let limit: Duration
    var description: String { "no answer within \(self.limit)" }
}

/// Runs the plugins of one stage in order, each within its time limit, on the event loop of the session.
///
/// A chain whose plugins all answer at once runs to its end without leaving the caller's stack; only one that really waits
/// gets a timer. A plugin that outlives its limit is cancelled and left behind: its late answer is thrown away.
package struct HookRunner: Sendable {
    private let eventLoop: any EventLoop
    private let executor: EventLoopTaskExecutor
    private let logger: Logger
    private let waiting = WaitingCalls()

    package init(eventLoop: any EventLoop, executor: EventLoopTaskExecutor, logger: Logger) {
        self.eventLoop = eventLoop
        self.executor = executor
        self.logger = logger
    }

    /// The client is gone: plugins that are at work for it now are cancelled.
    package func cancelCurrent() { self.waiting.cancel() }

    /// Runs a chain.
    ///
    /// - Parameters:
    ///   - hooks: the plugins of the stage.
    ///   - state: what earlier plugins have made of the thing that is asked about.
    ///   - willWait: called once before the first real wait, on the caller's thread: to flush replies.
    ///   - step: asks one plugin; a non-nil result ends the chain.
    package func run<Hook: Sendable, State: Sendable, Outcome: Sendable>(
        _ hooks: [Hooked<Hook>],
        _ state: State,
        willWait: () -> Void = {},
        step: @escaping @Sendable (Hook, inout State) async throws -> Outcome?
    ) async -> ChainResult<State, Outcome> {
        var start = 0
        var state = state
        while start < hooks.count {
            let call = ChainCall<Hook, State, Outcome>(
                hooks: hooks,
                start: start,
                state: state,
                eventLoop: self.eventLoop,
                logger: self.logger
            )
            // Ends by itself, or is cancelled and abandoned by the timer; `call.wait` awaits whichever comes first.
            let task = Task.immediate(executorPreference: self.executor) { await call.run(step) }
            if let result = call.result { return result }
            willWait()
            let timer = self.watch(call, task)
            let number = self.waiting.add(task)
            let ending = await withTaskCancellationHandler {
                await call.wait()
            } onCancel: {
                task.cancel()
            }
            timer.cancel()
            self.waiting.remove(number)
            switch ending {
            case .finished(let result): return result
            case .abandoned(let index, let before):
                guard hooks[index].onFailure == .ignore else { return .failed(plugin: hooks[index].name) }
                start = index + 1
                state = before
            }
        }
        return .passed(state)
    }

    /// Tells all plugins of a stage that cannot change anything: one that fails keeps nothing from the others, and a client that
    /// goes away cancels nothing, since what they are told of has happened.
    package func tell<Hook: Sendable>(
        _ hooks: [Hooked<Hook>],
        willWait: () -> Void = {},
        step: @escaping @Sendable (Hook) async throws -> Void
    ) async {
        for hooked in hooks {
            let alone = HookRunner(eventLoop: self.eventLoop, executor: self.executor, logger: self.logger)
            _ = await alone.run([hooked], true, willWait: willWait) { hook, _ -> Bool? in
                try await step(hook)
                return nil
            }
        }
    }

    private func watch<Hook, State, Outcome>(
        _ call: ChainCall<Hook, State, Outcome>,
        _ task: Task<Void, Never>
    ) -> Watch {
        let watch = Watch()
        self.arm(watch, call, task)
        return watch
    }

    private func arm<Hook, State, Outcome>(
        _ watch: Watch,
        _ call: ChainCall<Hook, State, Outcome>,
        _ task: Task<Void, Never>
    ) {
        guard let deadline = call.deadline else { return }
        watch.set(
            self.eventLoop.scheduleTask(deadline: deadline) {
                if call.abandonIfOverdue(now: self.eventLoop.now) {
                    task.cancel()
                } else {
                    self.arm(watch, call, task)  // a later plugin of the chain is at work
                }
            }
        )
    }
}

/// The chains that a session waits for: one, or those of recipients that are asked about together.
private final class WaitingCalls: Sendable {
    private struct State {
        var tasks: [Int: Task<Void, Never>] = [:]
        var next = 0
    }
    private let state = Mutex(State())

    func add(_ task: Task<Void, Never>) -> Int {
        self.state.withLock { state in
            state.next &+= 1
            state.tasks[state.next] = task
            return state.next
        }
    }
    func remove(_ number: Int) { self.state.withLock { _ = $0.tasks.removeValue(forKey: number) } }
    func cancel() {
        let tasks = self.state.withLock { Array($0.tasks.values) }
        for task in tasks { task.cancel() }
    }
}

/// The timer of a chain that waits.
private final class Watch: Sendable {
    private let state = Mutex<(scheduled: Scheduled<Void>?, isCancelled: Bool)>((nil, false))

    func set(_ scheduled: Scheduled<Void>) {
        let isCancelled = self.state.withLock { state in
            state.scheduled = scheduled
            return state.isCancelled
        }
        if isCancelled { scheduled.cancel() }
    }

    func cancel() {
        let scheduled = self.state.withLock { state in
            state.isCancelled = true
            return state.scheduled.take()
        }
        scheduled?.cancel()
    }
}

/// One run of a chain, shared by the task that runs it, the caller that waits for it and the timer.
private final class ChainCall<Hook: Sendable, State: Sendable, Outcome: Sendable>: Sendable {
    enum Ending: Sendable {
        case finished(ChainResult<State, Outcome>)
        /// The plugin at the index took too long; the state is what it was given.
        case abandoned(index: Int, State)
    }
    private struct Progress {
        var index: Int
        var state: State
        var deadline: NIODeadline
        var ending: Ending?
        var waiter: CheckedContinuation<Ending, Never>?
    }
    private let progress: Mutex<Progress>
    private let hooks: [Hooked<Hook>]
    private let eventLoop: any EventLoop
    private let logger: Logger

    init(hooks: [Hooked<Hook>], start: Int, state: State, eventLoop: any EventLoop, logger: Logger) {
        self.hooks = hooks
        self.eventLoop = eventLoop
        self.logger = logger
        self.progress = Mutex(Progress(index: start, state: state, deadline: .distantFuture))
    }

    func run(_ step: @Sendable (Hook, inout State) async throws -> Outcome?) async {
        var (index, state) = self.progress.withLock { ($0.index, $0.state) }
        while index < self.hooks.count {
            let hooked = self.hooks[index]
            let now = self.eventLoop.now
            if hooked.health.mayCall(now: now) {
                self.progress.withLock { progress in
                    progress.index = index
                    progress.state = state
                    progress.deadline = now + TimeAmount(hooked.timeLimit)
                }
                do {
                    let outcome = try await step(hooked.hook, &state)
                    guard !self.hasEnded else { return }  // left behind: later plugins were asked without it
                    if hooked.health.succeeded() { self.log(.notice, "plugin is asked again", hooked) }
                    if let outcome { return self.finish(.finished(.decided(outcome, state))) }
                } catch {
                    guard !self.hasEnded else { return }  // left behind: the time limit was told already
                    guard !Task.isCancelled else { return self.finish(.finished(.failed(plugin: hooked.name))) }
                    self.failed(hooked, error, timedOut: false)
                    guard hooked.onFailure == .ignore else {
                        return self.finish(.finished(.failed(plugin: hooked.name)))
                    }
                    state = self.progress.withLock { $0.state }  // without the half of its edits that was applied
                }
            } else if hooked.onFailure == .defer {
                return self.finish(.finished(.failed(plugin: hooked.name)))
            }
            index += 1
        }
        self.finish(.finished(.passed(state)))
    }

    private func failed(_ hooked: Hooked<Hook>, _ error: any Error, timedOut: Bool) {
        self.log(.error, "plugin failed", hooked, error)
        if hooked.health.failed(timedOut: timedOut, now: self.eventLoop.now) {
            self.log(.error, "plugin fails again and again: not asked for a while", hooked)
        }
    }

    private func log(
        _ level: Logger.Level,
        _ text: Logger.Message,
        _ hooked: Hooked<Hook>,
        _ error: (any Error)? = nil
    ) {
        var metadata: Logger.Metadata = [
            "hook": "\(hooked.name)", "stage": "\(hooked.stage.rawValue)", "on-failure": "\(hooked.onFailure.rawValue)",
        ]
        if let error { metadata["error"] = "\(error)" }
        self.logger.log(level: level, text, metadata: metadata)
    }

    private var hasEnded: Bool { self.progress.withLock { $0.ending != nil } }

    /// The result, where the chain has finished already.
    var result: ChainResult<State, Outcome>? {
        self.progress.withLock { if case .finished(let result) = $0.ending { result } else { nil } }
    }

    /// When the plugin at work will be overdue; `nil` once the chain has ended.
    var deadline: NIODeadline? { self.progress.withLock { $0.ending == nil ? $0.deadline : nil } }

    func abandonIfOverdue(now: NIODeadline) -> Bool {
        let overdue: (index: Int, State)? = self.progress.withLock { progress in
            progress.ending == nil && progress.deadline <= now ? (progress.index, progress.state) : nil
        }
        guard let overdue else { return false }
        let hooked = self.hooks[overdue.index]
        self.failed(hooked, TimeLimitExceeded(limit: hooked.timeLimit), timedOut: true)
        self.finish(.abandoned(index: overdue.index, overdue.1))
        return true
    }

    func wait() async -> Ending {
        await withCheckedContinuation { continuation in
            let ending = self.progress.withLock { progress -> Ending? in
                if progress.ending == nil { progress.waiter = continuation }
                return progress.ending
            }
            if let ending { continuation.resume(returning: ending) }
        }
    }

    /// The first ending counts; a later one comes from a plugin that was left behind.
    private func finish(_ ending: Ending) {
        let waiter = self.progress.withLock { progress -> CheckedContinuation<Ending, Never>? in
            guard progress.ending == nil else { return nil }
            progress.ending = ending
            return progress.waiter.take()
        }
        waiter?.resume(returning: ending)
    }
}
