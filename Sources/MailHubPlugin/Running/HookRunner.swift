public import Logging
public import NIOCore

/// How a chain of hooks ended.
@usableFromInline
@frozen
package enum ChainResult<State: Sendable, Outcome: Sendable>: Sendable {
    /// Every plugin answered `next` or changed something.
    case passed(State)
    /// A plugin's answer ended the chain.
    case decided(Outcome, State)
    /// A plugin threw or took too long, and its configuration says `defer`.
    case failed(plugin: String)
}

/// What a plugin's answer means for its chain.
@usableFromInline
@frozen
package enum ChainStep<Outcome: Sendable>: Sendable {
    /// The next plugin is asked.
    case next
    /// The next plugin is asked, and sees what this one has changed.
    case changed
    /// The chain ends.
    case decided(Outcome)
}

/// A chain that has been started.
@usableFromInline
@frozen
package enum StartedChain<Hook: Sendable, State: Sendable, Outcome: Sendable>: Sendable {
    /// All plugins have answered at once.
    case over(ChainResult<State, Outcome>)
    /// A plugin is being waited for.
    case waiting(WaitingChain<Hook, State, Outcome>)
}

/// A chain that waits for a plugin, to be awaited by ``HookRunner/result(of:)``.
@usableFromInline
package struct WaitingChain<Hook: Sendable, State: Sendable, Outcome: Sendable>: Sendable {
    @usableFromInline typealias Step = @Sendable (Hook, inout State) async throws -> ChainStep<Outcome>

    @usableFromInline let call: ChainCall<Hook, State, Outcome>
    @usableFromInline let task: Task<Void, Never>
    @usableFromInline let timer: Watch
    /// By which `WaitingCalls` knows it.
    @usableFromInline let number: Int
    @usableFromInline let endures: Bool
    @usableFromInline let step: Step

    @inlinable
    init(
        call: ChainCall<Hook, State, Outcome>,
        task: Task<Void, Never>,
        timer: Watch,
        number: Int,
        endures: Bool,
        step: @escaping Step
    ) {
        self.call = call
        self.task = task
        self.timer = timer
        self.number = number
        self.endures = endures
        self.step = step
    }
}

/// A plugin did not answer within its time limit.
@usableFromInline
struct TimeLimitExceeded: Error, CustomStringConvertible {
    let limit: Duration

    @usableFromInline
    init(limit: Duration) { self.limit = limit }

    @usableFromInline var description: String { "no answer within \(self.limit)" }
}

/// Runs the plugins of one stage in order, each within its time limit, on the event loop of the session.
///
/// A chain whose plugins all answer at once runs to its end without leaving the caller's stack; only one that really waits
/// gets a timer. A plugin that outlives its limit is cancelled and left behind: its late answer is thrown away.
///
/// The chains are `@inlinable`, so that each module that runs them has them for its own types: otherwise a call that only says
/// `next` costs ten times as much.
@usableFromInline
package struct HookRunner: Sendable {
    @usableFromInline let eventLoop: any EventLoop
    @usableFromInline let executor: EventLoopTaskExecutor
    @usableFromInline let logger: Logger
    @usableFromInline let waiting = WaitingCalls()

    @usableFromInline
    package init(eventLoop: any EventLoop, executor: EventLoopTaskExecutor, logger: Logger) {
        self.eventLoop = eventLoop
        self.executor = executor
        self.logger = logger
    }

    /// The client is gone: plugins that are at work for it now are cancelled.
    package func cancelCurrent() { self.waiting.cancel() }

    /// Whether a plugin is being waited for, and the time that it takes is kept.
    package var isWaiting: Bool { !self.waiting.isEmpty }

    /// Runs a chain to its end.
    ///
    /// - Parameters:
    ///   - hooks: the plugins of the stage.
    ///   - state: what earlier plugins have made of the thing that is asked about.
    ///   - willWait: called once before the first real wait, on the caller's thread: to flush replies.
    ///   - endures: whether ``cancelCurrent()`` leaves it alone.
    ///   - ignored: notes in the state that a failure is ignored, where that matters.
    ///   - step: asks one plugin, and applies what it wants changed.
    @inlinable
    package func run<Hook: Sendable, State: Sendable, Outcome: Sendable>(
        _ hooks: [Hooked<Hook>],
        _ state: State,
        willWait: () -> Void = {},
        endures: Bool = false,
        ignored: (@Sendable (inout State) -> Void)? = nil,
        step: @escaping @Sendable (Hook, inout State) async throws -> ChainStep<Outcome>
    ) async -> ChainResult<State, Outcome> {
        switch self.start(hooks, state, endures: endures, ignored: ignored, step: step) {
        case .over(let result): return result
        case .waiting(let chain):
            willWait()
            return await self.result(of: chain)
        }
    }

    /// Starts a chain: where its plugins all answer at once, it is over behind this call.
    ///
    /// - Parameters:
    ///   - first: the place of the first plugin to be asked.
    ///   - ignored: notes in the state that a failure is ignored, where that matters.
    @inlinable
    package func start<Hook: Sendable, State: Sendable, Outcome: Sendable>(
        _ hooks: [Hooked<Hook>],
        _ state: State,
        from first: Int = 0,
        endures: Bool = false,
        ignored: (@Sendable (inout State) -> Void)? = nil,
        step: @escaping @Sendable (Hook, inout State) async throws -> ChainStep<Outcome>
    ) -> StartedChain<Hook, State, Outcome> {
        guard first < hooks.count else { return .over(.passed(state)) }
        let call = ChainCall<Hook, State, Outcome>(
            hooks: hooks,
            start: first,
            state: state,
            ignored: ignored,
            eventLoop: self.eventLoop,
            logger: self.logger
        )
        // Ends by itself, or is cancelled and abandoned by the timer; `call.wait` awaits whichever comes first.
        let task = Task.immediate(executorPreference: self.executor) { await call.run(state, step) }
        if let result = call.resultOrWatch() { return .over(result) }
        let timer = self.watch(call, task)
        let number = self.waiting.add(task, endures: endures)
        return .waiting(
            WaitingChain(call: call, task: task, timer: timer, number: number, endures: endures, step: step)
        )
    }

    /// Waits for a chain.
    @inlinable
    package func result<Hook: Sendable, State: Sendable, Outcome: Sendable>(
        of chain: WaitingChain<Hook, State, Outcome>
    ) async -> ChainResult<State, Outcome> {
        var chain = chain
        while true {
            let (call, task) = (chain.call, chain.task)
            let ending = await withTaskCancellationHandler {
                await call.wait()
            } onCancel: {
                task.cancel()
            }
            chain.timer.cancel()
            self.waiting.remove(chain.number)
            switch ending {
            case .finished(let result): return result
            case .abandoned(let index, var state):
                let late = call.hooks[index]
                guard late.onFailure == .ignore else { return .failed(plugin: late.name) }
                call.ignored?(&state)
                let rest = self.start(
                    call.hooks,
                    state,
                    from: index + 1,
                    endures: chain.endures,
                    ignored: call.ignored,
                    step: chain.step
                )
                switch rest {
                case .over(let result): return result
                case .waiting(let next): chain = next
                }
            }
        }
    }

    /// Tells all plugins of a stage that cannot change anything: one that fails keeps nothing from the others, and a client that
    /// goes away cancels nothing, since what they are told of has happened.
    @inlinable
    package func tell<Hook: Sendable>(
        _ hooks: [Hooked<Hook>],
        willWait: () -> Void = {},
        step: @escaping @Sendable (Hook) async throws -> Void
    ) async {
        _ = await self.run(hooks, true, willWait: willWait, endures: true) { hook, _ -> ChainStep<Bool> in
            try await step(hook)
            return .next
        }
    }

    @inlinable
    func watch<Hook, State, Outcome>(
        _ call: ChainCall<Hook, State, Outcome>,
        _ task: Task<Void, Never>
    ) -> Watch {
        let watch = Watch()
        self.arm(watch, call, task)
        return watch
    }

    @inlinable
    func arm<Hook, State, Outcome>(
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
