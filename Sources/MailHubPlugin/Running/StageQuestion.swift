/// What the plugins of one stage are asked.
///
/// The question is the same for all of them; what they have made of the thing that it is about is the state, which each leaves to
/// those behind it.
///
/// A type, not a closure: its method becomes part of the chain, whereas the call of a closure that may wait costs as much as that of
/// the plugin.
@usableFromInline
package protocol StageQuestion: Sendable {
    associatedtype Hook: Sendable
    associatedtype State: Sendable
    associatedtype Outcome: Sendable

    /// Asks one plugin, and applies to the state what it wants changed.
    ///
    /// - Returns: `next` only where the state is as it was: it is not noted then.
    func ask(_ hook: Hook, _ state: inout State) async throws -> ChainStep<Outcome>

    /// Notes in the state that a plugin has failed, or is not asked for a while, and that this is ignored.
    func noteIgnored(in state: inout State)
}

extension StageQuestion {
    /// Where nobody needs to know.
    @inlinable
    package func noteIgnored(in state: inout State) {}
}
