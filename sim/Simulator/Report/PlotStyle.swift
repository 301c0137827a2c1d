/// Colours and type of all plots. Series have the colours of Okabe and Ito (2008), which people
/// with colour blindness tell apart, a little darker on light ground; heat maps have cividis
/// (Nuñez, Anderton, Renslow 2018).
enum PlotStyle {
    /// Series that have a colour of their own.
    static let seriesCount = 7

    static func series(_ place: Int) -> String { "s\(place % seriesCount)" }

    /// The style sheet: of an SVG file, and a part of a page's.
    static let sheet: String = {
        let light = [
            "#0072b2", "#c25400", "#00805f", "#b0568f", "#8a6d00", "#3f8fc9", "#444b54",
        ]
        let dark = ["#56b4e9", "#f0894a", "#2cc49b", "#df9cc4", "#e6c84f", "#8ecbf3", "#c3c9d1"]
        func colours(_ list: [String]) -> String {
            list.enumerated().map { "--s\($0.offset):\($0.element);" }.joined()
        }
        let series = (0..<seriesCount).map { place in
            """
            .plot .line.s\(place){stroke:var(--s\(place))}.plot .band.s\(place),\
            .plot .bar.s\(place),.plot .dot.s\(place){fill:var(--s\(place))}
            """
        }.joined(separator: "\n")
        return """
            :root{--ground:#fff;--ink:#1c2430;--soft:#5b6675;--rule:#e3e7ec;--axis:#98a2b0;\
            \(colours(light))}
            @media(prefers-color-scheme:dark){:root{--ground:#12171e;--ink:#e8ecf1;--soft:#9aa6b5;\
            --rule:#29313c;--axis:#5f6b7a;\(colours(dark))}}
            .plot{font:12px system-ui,-apple-system,"Segoe UI","DejaVu Sans",sans-serif;\
            background:var(--ground)}
            .plot text{fill:var(--soft)}.plot text.title{fill:var(--ink);font-weight:600}
            .plot text.on-dark{fill:#fff}.plot text.on-light{fill:#16202e}
            .plot .grid{stroke:var(--rule)}.plot .axis{stroke:var(--axis)}
            .plot .line{fill:none;stroke-width:2;stroke-linejoin:round}
            .plot rect{shape-rendering:crispEdges}
            .plot .band{fill-opacity:.18}.plot .dot{fill-opacity:.55}
            .plot .whisker{stroke:var(--ink);stroke-width:1.25}
            .plot .closed-form{fill:none;stroke:#fff;stroke-width:4.5}
            .plot .closed-form.inner{stroke:#d3392b;stroke-width:2;stroke-dasharray:6 3}
            .plot .equal{stroke:var(--axis);stroke-dasharray:5 4}
            \(series)
            """
    }()

    private static let cividis: [(Double, Double, Double)] = [
        (0, 32, 77), (0, 51, 111), (57, 72, 107), (87, 92, 109), (112, 113, 115), (138, 135, 121),
        (166, 157, 117), (196, 181, 108), (228, 207, 91), (255, 234, 70),
    ]

    /// The colour of a part from 0 to 1 of the scale.
    static func heat(_ part: Double) -> String {
        let (red, green, blue) = mixed(part)
        func hex(_ value: Double) -> String {
            let digits = String(Int(value.rounded()), radix: 16)
            return digits.count == 1 ? "0" + digits : digits
        }
        return "#" + hex(red) + hex(green) + hex(blue)
    }

    /// The class of text that can be read on that colour.
    static func inkClass(on part: Double) -> String {
        let (red, green, blue) = mixed(part)
        return 0.299 * red + 0.587 * green + 0.114 * blue < 128 ? "on-dark" : "on-light"
    }

    private static func mixed(_ part: Double) -> (Double, Double, Double) {
        let clamped = part.isFinite ? min(1, max(0, part)) : 0
        let place = clamped * Double(cividis.count - 1)
        let below = min(Int(place), cividis.count - 2)
        let share = place - Double(below)
        let (low, high) = (cividis[below], cividis[below + 1])
        return (
            low.0 + (high.0 - low.0) * share, low.1 + (high.1 - low.1) * share,
            low.2 + (high.2 - low.2) * share
        )
    }
}
