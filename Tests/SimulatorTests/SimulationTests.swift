import Clearing
import Economics
import Ledger
import Primitives
import Simulator
import Testing

@Suite struct SimulationTests {
    private func small(_ change: (inout Scenario) -> Void = { _ in }) -> Scenario {
        var scenario = Scenario()
        scenario.jobs = 3_000
        change(&scenario)
        return scenario
    }

    @Test func theSameScenarioGivesTheSameBits() {
        var first = Simulation(small())
        var second = Simulation(small())
        first.run()
        second.run()
        #expect(first.house.canonicalBytes() == second.house.canonicalBytes())
        var other = Simulation(small { $0.seed = 2 })
        other.run()
        #expect(first.house.canonicalBytes() != other.house.canonicalBytes())
    }

    @Test func everyJobEndsAndTheBooksBalance() {
        var run = Simulation(small())
        run.run()
        #expect(run.house.jobs.count == 3_000)
        #expect(run.house.jobs.allSatisfy { $0.state.isFinal })
        #expect(run.house.balance(.escrow, .usd) == .zero)
        #expect(run.house.balance(.captured, .usd) == .zero)
        #expect(run.house.parties.allSatisfy { $0.exposure == .zero })
        #expect(run.house.ledger.checkInvariants().isEmpty)
    }

    @Test func cheatingDoesNotPayUnderTheDefaultRules() {
        let report = CheatingReport.run(small())
        #expect(report.convictions > 0)
        #expect(report.cheating.slashed > report.sameHonest.revenue)
        #expect(!report.cheatingPaid)
        #expect(report.sameHonest.slashed == .zero)
        #expect(report.others.slashed == .zero)
        #expect(report.others.profit > 0)
    }

    @Test func cheatingPaysWhereHardlyAnythingIsAudited() {
        let report = CheatingReport.run(
            small {
                $0.parameters.auditRatePerMillion = 1
                $0.parameters.bondMarginBasisPoints = 0
            })
        #expect(report.cheatingPaid)
    }

    @Test func anImpossibleScenarioIsNamed() {
        #expect(small().problem == nil)
        #expect(small { $0.cheaters = 21 }.problem != nil)
        #expect(small { $0.parameters.burnBasisPoints = 0 }.problem != nil)
    }
}
