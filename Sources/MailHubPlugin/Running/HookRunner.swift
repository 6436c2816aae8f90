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

    /// Runs a chain.
    ///
    /// - Parameters:
    ///   - hooks: the plugins of the stage.
    ///   - state: what earlier plugins have made of the thing that is asked about.
    ///   - willWait: called once before the first real wait, on the caller's thread: to flush replies.
    ///   - endures: whether ``cancelCurrent()`` leaves it alone.
    ///   - step: asks one plugin; a non-nil result ends the chain.
    @inlinable
    package func run<Hook: Sendable, State: Sendable, Outcome: Sendable>(
        _ hooks: [Hooked<Hook>],
        _ state: State,
        willWait: () -> Void = {},
        endures: Bool = false,
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
            if let result = call.resultOrWatch() { return result }
            willWait()
            let timer = self.watch(call, task)
            let number = self.waiting.add(task, endures: endures)
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
    @inlinable
    package func tell<Hook: Sendable>(
        _ hooks: [Hooked<Hook>],
        willWait: () -> Void = {},
        step: @escaping @Sendable (Hook) async throws -> Void
    ) async {
        _ = await self.run(hooks, true, willWait: willWait, endures: true) { hook, _ -> Bool? in
            try await step(hook)
            return nil
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
