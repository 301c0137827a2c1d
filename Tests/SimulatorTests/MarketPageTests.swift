import Foundation
import Simulator
import Testing

/// The model's page has the tables that the code has.
@Suite struct MarketPageTests {
    private static let page: String? = {
        var folder = URL(fileURLWithPath: #filePath)
        while folder.path != "/" {
            folder.deleteLastPathComponent()
            let page = folder.appendingPathComponent("docs/reference/simulation-model.md")
            if let text = try? String(contentsOf: page, encoding: .utf8) { return text }
        }
        return nil
    }()

    private func rows(from heading: String, to end: String?) throws -> [String] {
        let page = try #require(Self.page)
        let start = try #require(page.range(of: heading))
        let rest = page[start.upperBound...]
        let part = end.flatMap { rest.range(of: $0) }.map { rest[..<$0.lowerBound] } ?? rest
        return part.split(separator: "\n").map(String.init).filter { $0.hasPrefix("| `") }
    }

    @Test func thePageHasEveryParameter() throws {
        let expected = MarketModel.parameters.map { spec in
            let unit = spec.unit.counted.replacingOccurrences(of: "|", with: " or ")
            let numbers = [spec.range.lowerBound, spec.range.upperBound, spec.standard]
                .map(spec.unit.text).joined(separator: " | ")
            return "| `\(spec.name)` | \(unit) | \(numbers) | \(spec.about) |"
        }
        #expect(try rows(from: "## Parameters", to: "## Metrics") == expected)
    }

    @Test func thePageHasEveryMetric() throws {
        let expected = MarketModel.metrics.map { spec in
            "| `\(spec.name)` | \(spec.unit.counted) | \(spec.unit.places) | \(spec.about) |"
        }
        #expect(try rows(from: "## Metrics", to: nil) == expected)
    }

    @Test func namesAreDifferentAndStandardsPossible() {
        let names = MarketModel.parameters.map(\.name)
        #expect(Set(names).count == names.count)
        #expect(Set(MarketModel.metrics.map(\.name)).count == MarketModel.metrics.count)
        for spec in MarketModel.parameters { #expect(spec.range.contains(spec.standard)) }
    }
}
