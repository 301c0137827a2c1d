import Foundation
import Simulator
import Testing

/// Scenarios of the repository whose answer is known in closed form.
@Suite struct ExperimentTests {
    /// The last step of each run, by column.
    private func rows(_ name: String) throws -> [[String: Double]] {
        let file = Repository.root.appendingPathComponent("sim/scenarios/\(name).yaml")
        let folder = try TemporaryFolder()
        try Studies.run(StudyScenario.read(file: file.path), folder.url)
        let lines = try folder.lines("final.csv")
        return lines.dropFirst().map { line in
            Dictionary(uniqueKeysWithValues: zip(lines[0], line.map { Double($0) ?? .nan }))
        }
    }

    /// p* = gain / (slash + withheld): half of 0.084 dollars over 5 % of the bond and 0.133.
    @Test func cheatingFillsTheCornerBelowTheClosedForm() throws {
        let rows = try rows("audit-bond-phase")
        #expect(rows.count == 504)
        for row in rows {
            let bond = try #require(row["bond"])
            let rate = try #require(row["rules.audit_rate_per_million"]) / 1e6
            let line = 0.042 / (0.05 * bond + 0.133)
            #expect(row["cheating_rate"] == (rate < line ? 1 : 0), "rate \(rate), bond \(bond)")
        }
    }

    /// A bond in tokens deters with what is left of the price, one in dollars whatever it does.
    @Test func aBondInTheTokenDetersAsFarAsTheTokenHolds() throws {
        let file = Repository.root.appendingPathComponent("sim/scenarios/bond-in-token.yaml")
        let folder = try TemporaryFolder()
        try Studies.run(StudyScenario.read(file: file.path), folder.url)
        let lines = try folder.lines("final.csv")
        let rows = lines.dropFirst().map { Dictionary(uniqueKeysWithValues: zip(lines[0], $0)) }
        #expect(rows.count == 36)
        var rates: Set<Double> = []
        for row in rows {
            let price = try #require(row["token_price"].flatMap(Double.init))
            let bond = row["bond_asset"] == "token" ? 60 * price / 2 : 60
            let line = 0.042 / (0.05 * bond + 0.133)
            let rate = try #require(row["cheating_rate"].flatMap(Double.init))
            #expect(rate == (0.02 < line ? 1 : 0), "price \(price), bond \(bond)")
            rates.insert(rate)
        }
        #expect(rates == [0, 1])
    }

    @Test func washTradingPaysFromTheBackedFeeOn() throws {
        for row in try rows("wash-trading") {
            let emission = try #require(row["rules.initial_emission"])
            let profit = try #require(row["wash_profit"])
            // A thousandth of the emission at two dollars, less a fee of 0.0024.
            #expect(abs(profit - (emission * 2 / 1_000 - 0.0024)) < 0.000004, "\(row)")
        }
    }
}
