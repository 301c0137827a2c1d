import Economics
import Primitives
import Testing

@Suite struct PolicyTests {
    @Test func theFeeIsRoundedDown() {
        let (provider, fee) = FeePolicy.split(Amount(39), parameters: Parameters())
        #expect(fee == Amount(1))
        #expect(provider == Amount(38))
    }

    @Test func theBondCoversWhatCouldBeStolenOverTheDetectionRate() {
        var parameters = Parameters()
        parameters.minimumBond = Amount(5)
        parameters.auditRatePerMillion = 100_000
        parameters.bondMarginBasisPoints = 15_000
        // 1.5 x 100 / 0.1
        #expect(
            BondPolicy.requiredBond(exposure: Amount(100), parameters: parameters) == Amount(1500))
        #expect(BondPolicy.requiredBond(exposure: .zero, parameters: parameters) == Amount(5))
        parameters.auditRatePerMillion = 0
        #expect(BondPolicy.requiredBond(exposure: Amount(1), parameters: parameters) == nil)
    }

    @Test(arguments: [
        (FaultCode.reproduced, UInt32(0), Rung.warn), (.outputMismatch, 0, .fivePercent),
        (.outputMismatch, 1, .tombstone), (.inputMismatch, 0, .fivePercent),
        (.equivocation, 0, .tombstone), (.falseTokenCount, 0, .fivePercent),
        (.falseAccusation, 0, .onePercent), (.falseAccusation, 1, .fivePercent),
        (.abandoned, 0, .withholdUnit), (.abandoned, 1, .loseEpochReward),
        (.receiptWithheld, 0, .withholdUnit),
    ])
    func theLadder(_ code: FaultCode, _ prior: UInt32, _ rung: Rung) {
        #expect(SlashPolicy.rung(code: code, prior: prior) == rung)
    }

    @Test func onlyObjectiveFaultsTakeABond() {
        for code in FaultCode.allCases where code.faultClass != .objective {
            for prior in UInt32(0)...3 {
                #expect(SlashPolicy.rung(code: code, prior: prior).basisPoints == 0)
            }
        }
    }

    @Test(arguments: [1, 2, 3, 99, 1_000_001] as [UInt128])
    func aPenaltyIsDividedWithoutLossAndHalfIsBurned(_ units: UInt128) {
        let penalty = Amount(units)
        let (bounty, burned, insurance) = SlashPolicy.divide(
            penalty: penalty, jobCost: Amount(1_000), parameters: Parameters())
        #expect(bounty + burned + insurance == penalty)
        #expect(burned.units * 2 >= units)
        #expect(bounty.units * 5 <= units)
    }

    @Test func emissionHalves() throws {
        var parameters = Parameters()
        parameters.initialEmission = Amount(1001)
        parameters.halvingEpochs = 2
        var state = EmissionState.none
        var emitted: [UInt128] = []
        for epoch in UInt64(1)...6 {
            let observation = EmissionObservation(epoch: epoch)
            emitted.append(try parameters.emission.advance(&state, by: observation).units)
        }
        #expect(emitted == [1001, 1001, 500, 500, 250, 250])
        #expect(state == .none)
        let late = EmissionObservation(epoch: 1_000)
        #expect(try parameters.emission.advance(&state, by: late) == .zero)
    }

    @Test func sharesAreRoundedDownAndNothingIsLost() {
        let (shares, rest) = ProRata.split(Amount(100), weights: [1, 1, 1, 0] as [UInt64])
        #expect(shares == [33, 33, 33, 0].map { Amount($0) })
        #expect(rest == Amount(1))
        let (none, all) = ProRata.split(Amount(7), weights: [0, 0] as [UInt64])
        #expect(none == [.zero, .zero])
        #expect(all == Amount(7))
    }

    @Test func unsafeParametersAreNamed() {
        #expect(Parameters().problem == nil)
        var parameters = Parameters()
        parameters.burnBasisPoints = 9_000
        parameters.bountyCapBasisPoints = 2_000
        #expect(parameters.problem != nil)
    }

    @Test func parametersSurviveTheirEncoding() throws {
        var parameters = Parameters()
        parameters.halvingEpochs = 77
        #expect(try Parameters(canonicalBytes: parameters.canonicalBytes()) == parameters)
    }
}
