public import Logging
public import NIOCore
public import Synchronization

/// One run of a chain, shared by the task that runs it, the caller that waits for it and the timer.
@usableFromInline
final class ChainCall<Hook: Sendable, State: Sendable, Outcome: Sendable>: Sendable {
    @usableFromInline
    enum Ending: Sendable {
        case finished(ChainResult<State, Outcome>)
        /// The plugin at the index took too long; the state is what it was given.
        case abandoned(index: Int, State)
    }
    @usableFromInline
    struct Progress {
        /// What the plugin at work was given.
        @usableFromInline var state: State
        /// When it was asked; nothing before the caller watches.
        @usableFromInline var began: NIODeadline?
        @usableFromInline var ending: Ending?
        @usableFromInline var waiter: CheckedContinuation<Ending, Never>?

        @inlinable
        init(state: State) { self.state = state }
    }
    @usableFromInline let progress: Mutex<Progress>
    /// The plugin at work.
    @usableFromInline let index: Atomic<Int>
    /// The caller waits, and the timer runs: before that, all plugins so far have answered at once, and nobody else looks.
    @usableFromInline let isWatched = Atomic<Bool>(false)
    @usableFromInline let hooks: [Hooked<Hook>]
    /// Notes in the state that a plugin has failed, or is not asked for a while, and that this is ignored.
    @usableFromInline let ignored: (@Sendable (inout State) -> Void)?
    @usableFromInline let eventLoop: any EventLoop
    @usableFromInline let logger: Logger

    @inlinable
    init(
        hooks: [Hooked<Hook>],
        start: Int,
        state: State,
        ignored: (@Sendable (inout State) -> Void)?,
        eventLoop: any EventLoop,
        logger: Logger
    ) {
        self.hooks = hooks
        self.ignored = ignored
        self.eventLoop = eventLoop
        self.logger = logger
        self.index = Atomic(start)
        self.progress = Mutex(Progress(state: state))
    }

    @inlinable
    func run(_ initial: State, _ step: @Sendable (Hook, inout State) async throws -> ChainStep<Outcome>) async {
        var state = initial
        var index = self.index.load(ordering: .relaxed)
        while index < self.hooks.count {
            let hooked = self.hooks[index]
            if hooked.health.mayCall(on: self.eventLoop) {
                // Left behind: later plugins were asked without this task.
                guard self.begins(index) else { return }
                do {
                    let answer = try await step(hooked.hook, &state)
                    if hooked.health.isFailing, !self.hasEnded, hooked.health.succeeded() {
                        self.log(.notice, "plugin is asked again", hooked.place)
                    }
                    switch answer {
                    case .next: break
                    case .changed: self.progress.withLock { $0.state = state }
                    case .decided(let outcome): return self.finish(.finished(.decided(outcome, state)))
                    }
                } catch {
                    guard !self.hasEnded else { return }  // the time limit was told already
                    guard !Task.isCancelled else { return self.finish(.finished(.failed(plugin: hooked.name))) }
                    self.failed(hooked.place, error, timedOut: false)
                    guard hooked.onFailure == .ignore else {
                        return self.finish(.finished(.failed(plugin: hooked.name)))
                    }
                    state = self.stateWithoutFailure()
                }
            } else if hooked.onFailure == .defer {
                return self.finish(.finished(.failed(plugin: hooked.name)))
            } else {
                state = self.stateWithoutFailure()
            }
            index += 1
        }
        self.finish(.finished(.passed(state)))
    }

    /// The state without the half of its edits that a plugin had applied before it failed.
    @usableFromInline
    func stateWithoutFailure() -> State {
        self.progress.withLock { progress in
            self.ignored?(&progress.state)
            return progress.state
        }
    }

    /// Notes that a plugin is at work now; `false` where the chain has ended without it.
    @inlinable
    func begins(_ index: Int) -> Bool {
        self.index.store(index, ordering: .releasing)
        return self.isWatched.load(ordering: .acquiring) ? self.beginsAnew() : true
    }

    @usableFromInline
    func beginsAnew() -> Bool {
        let now = self.eventLoop.now  // outside of the lock: an event loop may have locks of its own
        return self.progress.withLock { progress in
            progress.began = now
            return progress.ending == nil
        }
    }

    @usableFromInline
    func failed(_ hooked: HookPlace, _ error: any Error, timedOut: Bool) {
        self.log(.error, "plugin failed", hooked, error)
        if hooked.health.failed(timedOut: timedOut, now: self.eventLoop.now) {
            self.log(.error, "plugin fails again and again: not asked for a while", hooked)
        }
    }

    @usableFromInline
    func log(
        _ level: Logger.Level,
        _ text: Logger.Message,
        _ hooked: HookPlace,
        _ error: (any Error)? = nil
    ) {
        var metadata: Logger.Metadata = [
            "hook": "\(hooked.name)", "stage": "\(hooked.stage.rawValue)", "on-failure": "\(hooked.onFailure.rawValue)",
        ]
        if let error { metadata["error"] = "\(error)" }
        self.logger.log(level: level, text, metadata: metadata)
    }

    @inlinable var hasEnded: Bool { self.progress.withLock { $0.ending != nil } }

    /// The result, where the chain has finished already; otherwise the time of the plugin at work is kept from now on.
    @inlinable
    func resultOrWatch() -> ChainResult<State, Outcome>? {
        let result = self.progress.withLock { progress -> ChainResult<State, Outcome>? in
            if case .finished(let result) = progress.ending { result } else { nil }
        }
        if result == nil { self.watch() }
        return result
    }

    @usableFromInline
    func watch() {
        self.isWatched.store(true, ordering: .releasing)
        let now = self.eventLoop.now
        self.progress.withLock { $0.began = $0.began ?? now }
    }

    /// When the plugin at work will be overdue; `nil` once the chain has ended.
    @inlinable var deadline: NIODeadline? {
        let index = self.index.load(ordering: .acquiring)
        guard index < self.hooks.count else { return nil }
        return self.progress.withLock { progress in
            guard progress.ending == nil, let began = progress.began else { return nil }
            return began + TimeAmount(self.hooks[index].timeLimit)
        }
    }

    @inlinable
    func abandonIfOverdue(now: NIODeadline) -> Bool {
        let index = self.index.load(ordering: .acquiring)
        guard let deadline = self.deadline, deadline <= now else { return false }
        let overdue = self.progress.withLock { $0.ending == nil ? $0.state : nil }
        guard let overdue else { return false }
        let hooked = self.hooks[index]
        self.failed(hooked.place, TimeLimitExceeded(limit: hooked.timeLimit), timedOut: true)
        self.finish(.abandoned(index: index, overdue))
        return true
    }

    @inlinable
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
    @inlinable
    func finish(_ ending: Ending) {
        let waiter = self.progress.withLock { progress -> CheckedContinuation<Ending, Never>? in
            guard progress.ending == nil else { return nil }
            progress.ending = ending
            return progress.waiter.take()
        }
        waiter?.resume(returning: ending)
    }
}
