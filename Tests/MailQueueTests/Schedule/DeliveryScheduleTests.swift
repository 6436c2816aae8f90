@testable import MailQueue
import SMTP
import Testing

@Suite("Delivery schedule")
struct DeliveryScheduleTests {
    let now = Timestamp(milliseconds: 1_800_000_000_000)
    let here = Destination.internet("here.example")

    func item(
        _ number: Int64,
        at destination: Destination? = nil,
        after seconds: Int = 0,
        positions: [Int] = [0]
    ) -> WorkItem {
        WorkItem(
            id: QueueID(rawValue: number),
            destination: destination ?? self.here,
            due: self.now + .seconds(seconds),
            positions: positions
        )
    }

    /// Where one item is.
    enum Place: String, CaseIterable {
        case outside, later, ready, active, ended
    }

    /// What may happen to it.
    enum Event: String, CaseIterable {
        case advance, take, putBack, attemptEnded, settle, drop
    }

    /// Every place and every event that may come then; the rest is ours to prevent.
    @Test(arguments: [
        (Place.outside, Event.advance, Place.outside), (.outside, .take, .outside), (.outside, .drop, .outside),
        (.later, .advance, .ready), (.later, .take, .later), (.later, .drop, .outside),
        (.ready, .advance, .ready), (.ready, .take, .active), (.ready, .drop, .outside),
        (.active, .advance, .active), (.active, .take, .active), (.active, .putBack, .ready),
        (.active, .attemptEnded, .ended), (.active, .drop, .active),
        (.ended, .advance, .ended), (.ended, .take, .ended), (.ended, .settle, .outside), (.ended, .drop, .ended),
    ])
    func transition(from place: Place, on event: Event, to expected: Place) {
        var schedule = DeliverySchedule(maximumActive: 100)
        let item = self.item(1, after: 60, positions: [0, 1, 2])
        let due = item.due
        if place != .outside { #expect(schedule.add(item, now: place == .later ? self.now : due) == true) }
        if place == .active || place == .ended { #expect(schedule.take(for: self.here) == item) }
        if place == .ended { schedule.attemptEnded(item) }
        switch event {
        case .advance: _ = schedule.advance(to: due)
        case .take: _ = schedule.take(for: self.here)
        case .putBack: schedule.putBack(item)
        case .attemptEnded: schedule.attemptEnded(item)
        case .settle: schedule.settle(item)
        case .drop: schedule.drop([item.id])
        }
        #expect(schedule.known.count == (expected == .outside ? 0 : 3))
        #expect(schedule.isPressing(item.id) == (expected == .ready || expected == .active))
        #expect(schedule.readyCount(at: self.here) == (expected == .ready ? 1 : 0))
        #expect(schedule.nextDue == (expected == .later ? due : nil))
        #expect((schedule.take(for: self.here) == item) == (expected == .ready))
    }

    @Test func whatIsDueFirstGoesFirst() {
        var schedule = DeliverySchedule(maximumActive: 100)
        for (number, seconds) in [(1, 30), (2, 10), (3, 20)] {
            _ = schedule.add(self.item(Int64(number), after: seconds), now: self.now)
        }
        #expect(schedule.advance(to: self.now + .seconds(20)) == [self.here])
        #expect(schedule.take(for: self.here)?.id.rawValue == 2)
        #expect(schedule.take(for: self.here)?.id.rawValue == 3)
        #expect(schedule.take(for: self.here) == nil)
        #expect(schedule.nextDue == self.now + .seconds(30))
    }

    @Test func aReturnedItemIsFirstInLine() throws {
        var schedule = DeliverySchedule(maximumActive: 100)
        for number in 1...3 { _ = schedule.add(self.item(Int64(number)), now: self.now) }
        let taken = schedule.take(for: self.here)
        let first = try #require(taken)
        schedule.putBack(first)
        #expect(schedule.take(for: self.here) == first)
    }

    @Test func whatDoesNotFitIsReadAgainFromTheStore() {
        var schedule = DeliverySchedule(maximumActive: 10)
        schedule.advanceHorizon(to: .end(of: self.now + .seconds(60)))
        let places = (1...11).map { Destination.internet("d\($0).example") }
        for (number, place) in places.prefix(10).enumerated() {
            #expect(schedule.add(self.item(Int64(number), at: place), now: self.now) == true)
        }
        #expect(schedule.add(self.item(11, at: places[10]), now: self.now) == false)
        #expect(schedule.room == 0 && !schedule.wantsMore(now: self.now))
        let item = self.item(0, at: places[0])
        for number in 0..<3 {
            let taken = schedule.take(for: places[number]) ?? item
            schedule.attemptEnded(taken)
            schedule.settle(taken)
        }
        #expect(schedule.wantsMore(now: self.now))
        let query = schedule.dueQuery(now: self.now)
        #expect(query.after?.due == self.now && query.limit == 3 && query.excluding.count == 7)
    }

    @Test func oneDestinationHasAShareOfTheWindowOnly() {
        var schedule = DeliverySchedule(maximumActive: 40)
        schedule.advanceHorizon(to: .end(of: self.now))
        let taken = (1...40).filter { schedule.add(self.item(Int64($0)), now: self.now) }
        #expect(taken.count == 10)
        #expect(schedule.add(self.item(99, at: .store), now: self.now) == true)
        #expect(schedule.nextToCatchUp(now: self.now) == nil)
        for _ in 0..<5 {
            guard let item = schedule.take(for: self.here) else { continue }
            schedule.attemptEnded(item)
            schedule.settle(item)
        }
        #expect(schedule.nextToCatchUp(now: self.now) == self.here)
        #expect(schedule.nextToCatchUp(now: self.now) == nil)
        let query = schedule.catchUpQuery(for: self.here, until: self.now)
        #expect(query.limit == 5 && query.destination == self.here)
    }

    @Test func slowDestinationsMakeRoomForOthers() {
        var schedule = DeliverySchedule(maximumActive: 40)
        for slow in 0..<4 {
            for number in 0..<10 {
                let item = self.item(Int64(slow * 10 + number), at: .internet("slow\(slow).example"))
                #expect(schedule.add(item, now: self.now) == true)
            }
        }
        #expect(schedule.room == 0)
        // All that the store has is in the window: nobody waits outside.
        schedule.advanceHorizon(to: .end(of: self.now))
        #expect(schedule.makeRoom(now: self.now).isEmpty)
        #expect(schedule.room == 0)
        #expect(schedule.makeRoom(now: self.now + .seconds(1)).count == 5)
        #expect(schedule.room == 5)
    }

    @Test func aMessageIsPressingWhileAnyOfItsItemsIs() {
        var schedule = DeliverySchedule(maximumActive: 100)
        let (first, second) = (self.item(1), self.item(1, at: .store, positions: [1]))
        for item in [first, second] {
            #expect(schedule.add(item, now: self.now) == true)
            #expect(schedule.take(for: item.destination) == item)
        }
        schedule.attemptEnded(first)
        #expect(schedule.isPressing(first.id))
        schedule.attemptEnded(second)
        #expect(!schedule.isPressing(first.id))
        schedule.settle(first)
        schedule.settle(second)
        #expect(schedule.known == [])
    }

    @Test func workersAreInvitedAsTheyAreOfUse() {
        var schedule = DeliverySchedule(maximumActive: 5000)
        var invitations = 0
        for number in 0..<1000 {
            _ = schedule.add(self.item(Int64(number)), now: self.now)
            invitations += schedule.invitations(for: self.here)
        }
        #expect(invitations == 10)
        // Ten workers come, and find enough for as many more; after that each further job is taken without a word.
        for _ in 0..<10 {
            _ = schedule.take(for: self.here)
            invitations += schedule.invitations(for: self.here)
        }
        #expect(invitations == 20)
        for _ in 0..<500 {
            if let item = schedule.take(for: self.here) { schedule.attemptEnded(item) }
            invitations += schedule.invitations(for: self.here)
        }
        #expect(invitations == 20)
        #expect(schedule.invitations(for: self.here, again: true) == 1)
    }

    @Test func aSuspendedDestinationGivesNothing() {
        var schedule = DeliverySchedule(maximumActive: 100)
        schedule.setSuspended(self.here, true)
        #expect(schedule.add(self.item(1), now: self.now) == true)
        #expect(schedule.take(for: self.here) == nil && schedule.invitations(for: self.here) == 0)
        #expect(schedule.suspended == [self.here] && schedule.readyDestinations == [])
        schedule.setSuspended(self.here, false)
        #expect(schedule.invitations(for: self.here) == 1)
        #expect(schedule.take(for: self.here) != nil)
    }

    @Test func recipientsOfOneMessageStayTogether() {
        let id = QueueID(rawValue: 7)
        func due(_ position: Int, _ destination: Destination, after seconds: Int = 0) -> DueRecipient {
            DueRecipient(
                key: RecipientKey(id: id, position: position),
                destination: destination,
                due: self.now + .seconds(seconds)
            )
        }
        let items = WorkItem.items(of: [
            due(0, self.here), due(1, .store), due(2, self.here), due(3, self.here, after: 1),
        ])
        #expect(items.map(\.positions) == [[0, 2], [1], [3]])
        let many = WorkItem.items(of: (0..<2500).map { due($0, self.here) })
        #expect(many.map(\.positions.count) == [1000, 1000, 500])
    }
}
