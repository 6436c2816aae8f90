import NIOCore

/// The tasks that call the plugins of a session, on its event loop.
///
/// To make a task costs as much as ten plugins that answer at once. Hence one that has run a chain to its end without waiting is kept
/// for the next; one that waits is left to its chain, since it may be cancelled with it.
///
/// A chain of plugins that have waited before gets a task of its own, which prefers the event loop: what it waits for resumes it
/// there, whereas a task without a preference comes by way of the pool of threads. In return each `await` of such a task looks up
/// what it prefers, under a lock, and that costs more than a plugin that answers at once.
///
/// Unchecked: its variable is looked at on the event loop only.
@usableFromInline
final class ChainTasks: @unchecked Sendable {
    private let eventLoop: any EventLoop
    private let executor: EventLoopTaskExecutor
    private let hooks: HookActor
    /// The task that waits for the next chain.
    private var idle: ChainTask?

    init(_ eventLoop: any EventLoop, _ executor: EventLoopTaskExecutor) {
        self.eventLoop = eventLoop
        self.executor = executor
        self.hooks = HookActor(HookExecutor(eventLoop))
    }

    deinit {
        guard let idle = self.idle else { return }
        if self.eventLoop.inEventLoop { idle.retire() } else { self.eventLoop.execute { idle.retire() } }
    }

    /// Begins a chain: behind this call it is over, or waits for a plugin.
    ///
    /// - Parameter mayWait: whether one of its plugins has waited before.
    /// - Returns: the task that runs it, to be cancelled where the chain waits.
    @usableFromInline
    func start(mayWait: Bool, _ chain: @escaping @Sendable () async -> Void) -> Task<Void, Never> {
        guard !mayWait, self.eventLoop.inEventLoop else {
            return Task.immediate(executorPreference: self.executor) { await chain() }
        }
        let task = self.idle.take() ?? ChainTask(self.hooks)
        task.run(chain)
        if task.isIdle { self.idle = task } else { task.retire() }
        return task.task
    }
}

/// One task that runs chains.
private final class ChainTask: Sendable {
    private let place: ParkingPlace
    let task: Task<Void, Never>

    init(_ hooks: HookActor) {
        let place = ParkingPlace(hooks.executor)
        let parking = ParkedActor(place)
        self.place = place
        // Isolated to the parking actor, so that this is where it begins.
        self.task = parking.assumeIsolated { parking in Task { await parking.serve(hooks) } }
    }

    var isIdle: Bool { self.place.isTaken }

    func run(_ chain: @escaping @Sendable () async -> Void) { self.place.leave(for: chain) }

    /// Lets the task end: now, or when its chain is over.
    func retire() { self.place.close() }
}

/// Where a task that runs chains lies between them.
///
/// Resumed from a continuation, a task without a preferred executor would go through the pool of threads. On its way from one actor
/// to another it does not: it is handed to the executor of the second, and this one keeps it.
///
/// Unchecked: its tasks get here from the executor of hooks alone, and so all of it happens on the event loop.
private final class ParkingPlace: SerialExecutor, @unchecked Sendable {
    private let hooks: HookExecutor
    private var job: UnownedJob?
    private var chain: (@Sendable () async -> Void)?
    private var isClosed = false

    init(_ hooks: HookExecutor) { self.hooks = hooks }

    var isTaken: Bool { self.job != nil }

    func enqueue(_ job: consuming ExecutorJob) {
        self.job = UnownedJob(job)
        if self.isClosed { self.goOn() }
    }

    func leave(for chain: @escaping @Sendable () async -> Void) {
        self.chain = chain
        self.hooks.runsNextAtOnce()
        self.goOn()
    }

    func close() {
        self.isClosed = true
        self.goOn()
    }

    private func goOn() {
        guard let job = self.job.take() else { return }
        unsafe job.runSynchronously(on: self.asUnownedSerialExecutor())
    }

    func isIsolatingCurrentContext() -> Bool? { self.hooks.isIsolatingCurrentContext() }

    func checkIsolated() { self.hooks.checkIsolated() }

    func takeChain() -> (@Sendable () async -> Void)? { self.chain.take() }
}

/// Whose turn it is while a task lies in its parking place.
private actor ParkedActor {
    private nonisolated let place: ParkingPlace
    nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe self.place.asUnownedSerialExecutor() }

    init(_ place: ParkingPlace) { self.place = place }

    func serve(_ hooks: HookActor) async {
        while let chain = self.place.takeChain() { await hooks.run(chain) }
    }
}

/// Whose turn it is while plugins are at work: what they await brings them back to the event loop.
///
/// Each `await` asks for the actor's executor: hence it is stored as it is asked for. That is safe, since the executor itself lives as
/// long.
@safe
private actor HookActor {
    nonisolated let executor: HookExecutor
    nonisolated let unownedExecutor: UnownedSerialExecutor

    init(_ executor: HookExecutor) {
        self.executor = executor
        unsafe self.unownedExecutor = executor.asUnownedSerialExecutor()
    }

    func run(_ chain: @Sendable () async -> Void) async { await chain() }
}

/// The event loop as an executor that can do without the loop's queue.
///
/// Unchecked: its variable is looked at on the event loop only.
private final class HookExecutor: SerialExecutor, @unchecked Sendable {
    private let eventLoop: any EventLoop
    private var isNextAtOnce = false

    init(_ eventLoop: any EventLoop) { self.eventLoop = eventLoop }

    /// The next job is run as soon as it comes, on the stack of who brings it.
    func runsNextAtOnce() { self.isNextAtOnce = true }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        let executor = unsafe self.asUnownedSerialExecutor()
        if self.eventLoop.inEventLoop, self.isNextAtOnce {
            self.isNextAtOnce = false
            unsafe job.runSynchronously(on: executor)
        } else {
            self.eventLoop.execute { unsafe job.runSynchronously(on: executor) }
        }
    }

    func isIsolatingCurrentContext() -> Bool? { self.eventLoop.inEventLoop }

    func checkIsolated() { self.eventLoop.preconditionInEventLoop() }
}
