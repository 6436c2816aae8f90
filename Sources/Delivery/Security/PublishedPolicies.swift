/// Where the sending side learns how domains want their hosts to be known.
package struct PublishedPolicies: Sendable {
    package let dane: DANELookup
    /// `nil` where MTA-STS is switched off.
    package let sts: STSPolicies?
    /// Who reports to domains how connections came out; `nil` where nobody does.
    package let results: (any TLSResultObserver)?

    package init(dane: DANELookup, sts: STSPolicies?, results: (any TLSResultObserver)? = nil) {
        self.dane = dane
        self.sts = sts
        self.results = results
    }
}
