import MailQueue
import SMTP
import Testing

/// No spread: the middle of every range.
struct Middle: RandomNumberGenerator {
    mutating func next() -> UInt64 { .max / 2 }
}

@Suite("Throttle: S5321-4.5.4.1-02, S5321-4.5.4.1-06")
struct ThrottleStateTests {
    let start = Timestamp(milliseconds: 1_800_000_000_000)

    /// What happens to a throttle, and what it answers.
    enum Step {
        case admit(Admission)
        case message(Admission)
        case end, success, trouble, suspend, resume
        case seconds(Int)
        case limits(ThrottleLimits)
    }

    struct Story: CustomTestStringConvertible {
        let testDescription: String
        var limits = ThrottleLimits(concurrency: 4)
        let steps: [Step]
    }

    static let start = Timestamp(milliseconds: 1_800_000_000_000)
    static func at(_ seconds: Int64) -> Timestamp { Self.start + .seconds(seconds) }

    @Test(arguments: [
        Story(
            testDescription: "as many sessions as allowed",
            limits: ThrottleLimits(concurrency: 2),
            steps: [.admit(.granted), .admit(.granted), .admit(.full), .end, .admit(.granted)]
        ),
        Story(
            testDescription: "a limit below one counts as one",
            limits: ThrottleLimits(concurrency: 0),
            steps: [.admit(.granted), .admit(.full)]
        ),
        Story(
            testDescription: "a higher limit counts at once, a lower one for further sessions",
            limits: ThrottleLimits(concurrency: 1),
            steps: [
                .admit(.granted), .admit(.full), .limits(ThrottleLimits(concurrency: 3)), .admit(.granted),
                .admit(.granted), .admit(.full), .limits(ThrottleLimits(concurrency: 2)), .end, .admit(.full), .end,
                .admit(.granted), .admit(.full),
            ]
        ),
        Story(
            testDescription: "other limits do not end a pause, nor open the window that follows it",
            steps: [
                .trouble, .limits(ThrottleLimits(concurrency: 100)), .admit(.wait(until: at(60))), .seconds(60),
                .admit(.granted), .success, .limits(ThrottleLimits(concurrency: 50)), .admit(.granted), .admit(.full),
            ]
        ),
        Story(
            testDescription: "a message rate comes with new limits, and goes",
            steps: [
                .message(.granted), .message(.granted), .limits(ThrottleLimits(concurrency: 4, messages: 1)),
                .message(.granted), .message(.wait(until: at(60))), .limits(ThrottleLimits(concurrency: 4)),
                .message(.granted), .message(.granted),
            ]
        ),
        Story(
            testDescription: "trouble pauses, then one session probes, then twice as many with each success",
            steps: [
                .admit(.granted), .trouble, .end, .admit(.wait(until: at(60))), .seconds(59),
                .admit(.wait(until: at(60))), .seconds(1), .admit(.granted), .admit(.full), .success, .admit(.granted),
                .admit(.full), .success, .admit(.granted), .admit(.granted), .admit(.full),
            ]
        ),
        Story(
            testDescription: "each further trouble doubles the pause, up to the longest",
            steps: [
                .trouble, .seconds(60), .admit(.granted), .trouble, .end, .admit(.wait(until: at(180))),
                .seconds(120), .admit(.granted), .trouble, .end, .admit(.wait(until: at(420))), .seconds(240),
                .admit(.granted), .trouble, .end, .seconds(480), .admit(.granted), .trouble, .end, .seconds(960),
                .admit(.granted), .trouble, .end, .seconds(1920), .admit(.granted), .trouble, .end,
                .admit(.wait(until: at(7380))),
            ]
        ),
        Story(
            testDescription: "all sessions of one trouble count once",
            steps: [
                .admit(.granted), .admit(.granted), .trouble, .trouble, .end, .end, .admit(.wait(until: at(60))),
            ]
        ),
        Story(
            testDescription: "a success from before the trouble does not end the pause",
            steps: [.admit(.granted), .admit(.granted), .trouble, .success, .admit(.wait(until: at(60)))]
        ),
        Story(
            testDescription: "while old sessions are open nobody probes",
            steps: [.admit(.granted), .trouble, .seconds(60), .admit(.full), .end, .admit(.granted)]
        ),
        Story(
            testDescription: "a probe that ends without a word is followed by another",
            steps: [.trouble, .seconds(60), .admit(.granted), .end, .admit(.granted), .admit(.full)]
        ),
        Story(
            testDescription: "suspension stops sessions and messages; resuming ends a pause, too",
            steps: [
                .admit(.granted), .suspend, .admit(.suspended), .message(.suspended), .resume, .message(.granted),
                .admit(.granted), .trouble, .end, .end, .suspend, .resume, .admit(.granted), .admit(.full),
            ]
        ),
        Story(
            testDescription: "messages per period: a whole period's at once, then evenly",
            limits: ThrottleLimits(concurrency: 1, messages: 2, period: .seconds(60)),
            steps: [
                .message(.granted), .message(.granted), .message(.wait(until: at(30))), .seconds(29),
                .message(.wait(until: at(30))), .seconds(1), .message(.granted), .message(.wait(until: at(60))),
                .seconds(3600), .message(.granted), .message(.granted), .message(.wait(until: at(3660))),
            ]
        ),
    ])
    func story(_ story: Story) {
        var state = ThrottleState(limits: story.limits)
        var now = Self.start
        var randomness = Middle()
        for (number, step) in story.steps.enumerated() {
            switch step {
            case .admit(let expected): #expect(state.admitSession(now: now) == expected, "step \(number)")
            case .message(let expected): #expect(state.admitMessage(now: now) == expected, "step \(number)")
            case .end: state.sessionEnded()
            case .success: state.recordSuccess()
            case .trouble: state.recordTrouble(now: now, randomness: &randomness)
            case .suspend: state.suspend()
            case .resume: state.resume()
            case .seconds(let count): now = now + .seconds(count)
            case .limits(let limits): state.update(limits)
            }
        }
    }

    @Test func aMessageThatWasNotSentIsGivenBack() {
        var state = ThrottleState(limits: ThrottleLimits(concurrency: 1, messages: 1, period: .seconds(60)))
        #expect(state.admitMessage(now: self.start) == .granted)
        state.messageNotSent()
        #expect(state.admitMessage(now: self.start) == .granted)
    }

    @Test func aClockThatIsSetBackDoesNotLockADestination() {
        var state = ThrottleState(limits: ThrottleLimits(concurrency: 1, messages: 1, period: .seconds(60)))
        #expect(state.admitMessage(now: self.start + .seconds(1_000_000)) == .granted)
        #expect(state.admitMessage(now: self.start) == .wait(until: self.start + .seconds(60)))
    }

    @Test func onlyWhatHasNothingToRememberIsForgotten() {
        var randomness = Middle()
        var state = ThrottleState(limits: ThrottleLimits(concurrency: 1))
        #expect(state.isIdle(now: self.start))
        #expect(state.admitSession(now: self.start) == .granted)
        #expect(!state.isIdle(now: self.start))
        state.sessionEnded()
        state.recordTrouble(now: self.start, randomness: &randomness)
        #expect(!state.isIdle(now: self.start + .seconds(61)))
        #expect(state.isIdle(now: self.start + .seconds(7200)))
        state.suspend()
        #expect(!state.isIdle(now: self.start + .seconds(7200)))
    }

    @Test func theTableGivesEachDestinationOneThrottleAndForgetsIdleOnes() async {
        let clock = ManualClock()
        let table = ThrottleTable(clock: clock) { ThrottleLimits(concurrency: $0.domain == "big.example" ? 5 : 20) }
        let first = await table.throttle(for: .internet("big.example"))
        #expect(await table.throttle(for: .internet("big.example")) === first)
        _ = await table.throttle(for: .store)
        #expect(await first.admitSession() == .granted)
        #expect(await table.snapshots().map(\.state.window) == [5, 20])
        clock.advance(by: .seconds(1000))
        await table.prune()
        #expect(await table.snapshots().map(\.destination) == [.internet("big.example")])
    }
}
