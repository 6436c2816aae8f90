public import Logging
public import NIOCore
public import Synchronization

/// How one run of a chain has ended.
@usableFromInline
enum ChainEnding: Sendable {
    /// Every plugin answered `next` or changed something.
    case passed
    /// A plugin's answer ended the chain.
    case decided
    /// A plugin threw, or is not asked for a while, and its configuration says `defer`.
    case failed(plugin: String)
    /// The plugin at the index took too long.
    case abandoned(index: Int)
}

/// How far one run of a chain is.
@usableFromInline
struct ChainProgress: Sendable {
    /// When the plugin at work was asked; nothing before the caller watches.
    @usableFromInline var began: NIODeadline?
    @usableFromInline var ending: ChainEnding?
    @usableFromInline var waiter: CheckedContinuation<ChainEnding, Never>?

    @inlinable
    init() {}

    /// The first ending counts; a later one comes from a plugin that was left behind.
    ///
    /// - Returns: who waits for it.
    @usableFromInline
    mutating func end(_ ending: ChainEnding) -> CheckedContinuation<ChainEnding, Never>? {
        guard self.ending == nil else { return nil }
        self.ending = ending
        return self.waiter.take()
    }
}

/// What a plugin's answer has made of a chain.
@usableFromInline
final class ChainDecision<Outcome: Sendable>: Sendable {
    @usableFromInline let outcome: Outcome

    @inlinable
    init(_ outcome: Outcome) { self.outcome = outcome }
}

/// One run of a chain, shared by the task that runs it, the caller that waits for it and the timer.
///
/// Nothing in it but the question and its state is of a type that depends on the question: for each such type the end of a call would
/// have to look up what it is, and that costs as much as two plugins that answer at once.
///
/// Unchecked: the lock of `progress` guards what is written to `state` and `decision`, which is nothing once the chain has ended. The
/// task that runs the chain, the only one to write them, reads them without it, and so does the caller behind the end.
@usableFromInline
final class ChainCall<Question: StageQuestion>: @unchecked Sendable {
    @usableFromInline typealias Result = ChainResult<Question.State, Question.Outcome>

    @usableFromInline let progress = Mutex(ChainProgress())
    /// The plugin at work.
    @usableFromInline let index: Atomic<Int>
    /// The caller waits, and the timer runs: before that, all plugins so far have answered at once, and nobody else looks.
    @usableFromInline let isWatched = Atomic<Bool>(false)
    @usableFromInline let question: Question
    @usableFromInline let hooks: [Hooked<Question.Hook>]
    @usableFromInline let runner: HookRunner
    /// What the plugin at work was given; behind the end, what all have made of it.
    @usableFromInline var state: Question.State
    @usableFromInline var decision: ChainDecision<Question.Outcome>?

    @inlinable
    init(
        _ question: Question,
        _ hooks: [Hooked<Question.Hook>],
        start: Int,
        state: Question.State,
        runner: HookRunner
    ) {
        self.question = question
        self.hooks = hooks
        self.runner = runner
        self.index = Atomic(start)
        self.state = state
    }

    @inlinable
    func run() async {
        var state = self.state
        var index = self.index.load(ordering: .relaxed)
        while index < self.hooks.count {
            let hooked = self.hooks[index]
            if hooked.health.isOpen || hooked.health.isProbe(on: self.runner.eventLoop) {
                hooked.health.countCall()
                // Left behind: later plugins were asked without this task.
                guard self.begins(index) else { return }
                do {
                    let answer = try await self.question.ask(hooked.hook, &state)
                    if hooked.health.isFailing, !self.hasEnded, hooked.health.succeeded() {
                        self.log(.notice, "plugin is asked again", hooked.place)
                    }
                    switch answer {
                    case .next: break
                    case .changed: self.note(state)
                    case .decided(let outcome): return self.decide(outcome, state)
                    }
                } catch {
                    guard !self.hasEnded else { return }  // the time limit was told already
                    guard !Task.isCancelled else { return self.finish(.failed(plugin: hooked.name)) }
                    self.failed(hooked.place, error, timedOut: false)
                    guard hooked.onFailure == .ignore else { return self.finish(.failed(plugin: hooked.name)) }
                    state = self.stateWithoutFailure()
                }
            } else if hooked.onFailure == .defer {
                return self.finish(.failed(plugin: hooked.name))
            } else {
                state = self.stateWithoutFailure()
            }
            index += 1
        }
        self.finish(.passed)
    }

    /// Notes what a plugin has changed, unless it was left behind.
    @inlinable
    func note(_ state: Question.State) {
        self.progress.withLock { progress in
            if progress.ending == nil { self.state = state }
        }
    }

    /// The state without the half of its edits that a plugin had applied before it failed.
    @inlinable
    func stateWithoutFailure() -> Question.State {
        var state = self.state
        self.question.noteIgnored(in: &state)
        self.note(state)
        return state
    }

    /// Notes that a plugin is at work now; `false` where the chain has ended without it.
    @inlinable
    func begins(_ index: Int) -> Bool {
        self.index.store(index, ordering: .releasing)
        return self.isWatched.load(ordering: .acquiring) ? self.beginsAnew() : true
    }

    @usableFromInline
    func beginsAnew() -> Bool {
        let now = self.runner.eventLoop.now  // outside of the lock: an event loop may have locks of its own
        return self.progress.withLock { progress in
            progress.began = now
            return progress.ending == nil
        }
    }

    @usableFromInline
    func failed(_ hooked: HookPlace, _ error: any Error, timedOut: Bool) {
        self.log(.error, "plugin failed", hooked, error)
        if hooked.health.failed(timedOut: timedOut, now: self.runner.eventLoop.now) {
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
        self.runner.logger.log(level: level, text, metadata: metadata)
    }

    @inlinable var hasEnded: Bool { self.progress.withLock { $0.ending != nil } }

    /// The result, where the chain has finished already; otherwise the time of the plugin at work is kept from now on.
    @inlinable
    func resultOrWatch() -> Result? {
        if let ending = self.progress.withLock({ $0.ending }) { return self.result(ending) }
        self.watch()
        return nil
    }

    /// Whether a plugin is in the chain that has waited before.
    @inlinable var mayWait: Bool { self.hooks.contains { $0.place.hasWaited.load(ordering: .relaxed) } }

    /// Notes that the plugin at work waits.
    @usableFromInline
    func noteWait() {
        let index = self.index.load(ordering: .acquiring)
        if index < self.hooks.count { self.hooks[index].place.hasWaited.store(true, ordering: .relaxed) }
    }

    @usableFromInline
    func watch() {
        self.isWatched.store(true, ordering: .releasing)
        let now = self.runner.eventLoop.now
        self.progress.withLock { $0.began = $0.began ?? now }
    }

    /// What a chain has come to; `nil` where it has to go on without the plugin that was left behind.
    @inlinable
    func result(_ ending: ChainEnding) -> Result? {
        switch ending {
        case .passed: return .passed(self.state)
        case .decided: return self.decision.map { .decided($0.outcome, self.state) }
        case .failed(let plugin): return .failed(plugin: plugin)
        case .abandoned(let index):
            let late = self.hooks[index]
            return late.onFailure == .ignore ? nil : .failed(plugin: late.name)
        }
    }

    /// When the plugin at work will be overdue; `nil` once the chain has ended.
    @usableFromInline var deadline: NIODeadline? {
        let index = self.index.load(ordering: .acquiring)
        guard index < self.hooks.count else { return nil }
        return self.progress.withLock { progress in
            guard progress.ending == nil, let began = progress.began else { return nil }
            return began + TimeAmount(self.hooks[index].timeLimit)
        }
    }

    @usableFromInline
    func abandonIfOverdue(now: NIODeadline) -> Bool {
        let index = self.index.load(ordering: .acquiring)
        guard let deadline = self.deadline, deadline <= now else { return false }
        guard !self.hasEnded else { return false }
        let hooked = self.hooks[index]
        self.failed(hooked.place, TimeLimitExceeded(limit: hooked.timeLimit), timedOut: true)
        self.finish(.abandoned(index: index))
        return true
    }

    @usableFromInline
    func wait() async -> ChainEnding {
        await withCheckedContinuation { continuation in
            let ending = self.progress.withLock { progress -> ChainEnding? in
                if progress.ending == nil { progress.waiter = continuation }
                return progress.ending
            }
            if let ending { continuation.resume(returning: ending) }
        }
    }

    @inlinable
    func decide(_ outcome: Question.Outcome, _ state: Question.State) {
        let waiter = self.progress.withLock { progress in
            if progress.ending == nil {
                self.state = state
                self.decision = ChainDecision(outcome)
            }
            return progress.end(.decided)
        }
        waiter?.resume(returning: .decided)
    }

    @usableFromInline
    func finish(_ ending: ChainEnding) {
        self.progress.withLock { $0.end(ending) }?.resume(returning: ending)
    }
}
