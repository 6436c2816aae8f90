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
package enum StartedChain<Question: StageQuestion>: Sendable {
    /// All plugins have answered at once.
    case over(ChainResult<Question.State, Question.Outcome>)
    /// A plugin is being waited for.
    case waiting(WaitingChain<Question>)
}

/// A chain that waits for a plugin, to be awaited by ``HookRunner/result(of:)``.
@usableFromInline
package struct WaitingChain<Question: StageQuestion>: Sendable {
    @usableFromInline let call: ChainCall<Question>
    @usableFromInline let task: Task<Void, Never>
    @usableFromInline let timer: Watch
    /// By which `WaitingCalls` knows it.
    @usableFromInline let number: Int
    @usableFromInline let endures: Bool

    @inlinable
    init(call: ChainCall<Question>, task: Task<Void, Never>, timer: Watch, number: Int, endures: Bool) {
        self.call = call
        self.task = task
        self.timer = timer
        self.number = number
        self.endures = endures
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
package final class HookRunner: Sendable {
    @usableFromInline let eventLoop: any EventLoop
    @usableFromInline let logger: Logger
    @usableFromInline let tasks: ChainTasks
    @usableFromInline let waiting = WaitingCalls()

    @usableFromInline
    package init(eventLoop: any EventLoop, executor: EventLoopTaskExecutor, logger: Logger) {
        self.eventLoop = eventLoop
        self.logger = logger
        self.tasks = ChainTasks(eventLoop, executor)
    }

    /// The client is gone: plugins that are at work for it now are cancelled.
    package func cancelCurrent() { self.waiting.cancel() }

    /// Whether a plugin is being waited for, and the time that it takes is kept.
    package var isWaiting: Bool { !self.waiting.isEmpty }

    /// Runs a chain to its end.
    ///
    /// - Parameters:
    ///   - question: what the plugins are asked.
    ///   - hooks: the plugins of the stage.
    ///   - state: what earlier plugins have made of the thing that is asked about.
    ///   - willWait: called once before the first real wait, on the caller's thread: to flush replies.
    ///   - endures: whether ``cancelCurrent()`` leaves it alone.
    @inlinable
    package func run<Question: StageQuestion>(
        _ question: Question,
        _ hooks: [Hooked<Question.Hook>],
        _ state: Question.State,
        willWait: () -> Void = {},
        endures: Bool = false
    ) async -> ChainResult<Question.State, Question.Outcome> {
        switch self.start(question, hooks, state, endures: endures) {
        case .over(let result): return result
        case .waiting(let chain):
            willWait()
            return await self.result(of: chain)
        }
    }

    /// Runs a chain whose plugins change nothing.
    @inlinable
    package func run<Question: StageQuestion>(
        _ question: Question,
        _ hooks: [Hooked<Question.Hook>],
        willWait: () -> Void = {}
    ) async -> ChainResult<Void, Question.Outcome> where Question.State == Void {
        await self.run(question, hooks, (), willWait: willWait)
    }

    /// Starts a chain: where its plugins all answer at once, it is over behind this call.
    ///
    /// - Parameter first: the place of the first plugin to be asked.
    @inlinable
    package func start<Question: StageQuestion>(
        _ question: Question,
        _ hooks: [Hooked<Question.Hook>],
        _ state: Question.State,
        from first: Int = 0,
        endures: Bool = false
    ) -> StartedChain<Question> {
        guard first < hooks.count else { return .over(.passed(state)) }
        let call = ChainCall(question, hooks, start: first, state: state, runner: self)
        // Ends by itself, or is cancelled and abandoned by the timer; `call.wait` awaits whichever comes first.
        let task = self.tasks.start(mayWait: call.mayWait) { await call.run() }
        if let result = call.resultOrWatch() { return .over(result) }
        call.noteWait()
        let timer = self.watch(call, task)
        let number = self.waiting.add(task, endures: endures)
        return .waiting(WaitingChain(call: call, task: task, timer: timer, number: number, endures: endures))
    }

    /// Waits for a chain.
    @inlinable
    package func result<Question: StageQuestion>(
        of chain: WaitingChain<Question>
    ) async -> ChainResult<Question.State, Question.Outcome> {
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
            if let result = call.result(ending) { return result }
            guard case .abandoned(let index) = ending else { return .passed(call.state) }
            var state = call.state
            call.question.noteIgnored(in: &state)
            switch self.start(call.question, call.hooks, state, from: index + 1, endures: chain.endures) {
            case .over(let result): return result
            case .waiting(let next): chain = next
            }
        }
    }

    /// Tells all plugins of a stage that cannot change anything: one that fails keeps nothing from the others, and a client that
    /// goes away cancels nothing, since what they are told of has happened.
    @inlinable
    package func tell<News: StageQuestion>(
        _ news: News,
        _ hooks: [Hooked<News.Hook>]
    ) async where News.State == Void, News.Outcome == Never {
        _ = await self.run(news, hooks, (), endures: true)
    }

    @inlinable
    func watch<Question>(
        _ call: ChainCall<Question>,
        _ task: Task<Void, Never>
    ) -> Watch {
        let watch = Watch()
        self.arm(watch, call, task)
        return watch
    }

    @inlinable
    func arm<Question>(
        _ watch: Watch,
        _ call: ChainCall<Question>,
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
