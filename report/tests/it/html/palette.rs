//! Contrast of the palette by WCAG 2.2 (relative luminance), computed from the style sheet: text 4.5 : 1, marks 3 : 1, in the light
//! and the dark palette.

use std::collections::BTreeMap;

const STYLE: &str = include_str!("../../../src/render/html/base.css");

/// Returns the colours of the palette whose rule starts after `from`.
fn palette(from: &str) -> BTreeMap<String, [f64; 3]> {
    let rule = STYLE.split_once(from).unwrap().1.split_once('}').unwrap().0;
    let named = rule.split([';', '\n', '{']).filter_map(|part| part.trim().strip_prefix("--")?.split_once(":#"));
    named.map(|(name, color)| (name.to_owned(), rgb(color))).collect()
}

fn rgb(color: &str) -> [f64; 3] {
    let digits: Vec<f64> = color.chars().map(|digit| f64::from(digit.to_digit(16).unwrap())).collect();
    match digits.as_slice() {
        [r, g, b] => [r * 17.0, g * 17.0, b * 17.0],
        [r, s, g, h, b, c] => [r * 16.0 + s, g * 16.0 + h, b * 16.0 + c],
        _ => panic!("{color}"),
    }
}

fn luminance(color: [f64; 3]) -> f64 {
    let linear = color.map(|value| match value / 255.0 {
        low if low <= 0.04045 => low / 12.92,
        high => ((high + 0.055) / 1.055).powf(2.4),
    });
    0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
}

fn contrast(one: [f64; 3], other: [f64; 3]) -> f64 {
    let (one, other) = (luminance(one) + 0.05, luminance(other) + 0.05);
    one.max(other) / one.min(other)
}

#[test]
fn contrast_of_black_on_white_is_21() {
    assert!((contrast([0.0; 3], [255.0; 3]) - 21.0).abs() < 1e-9);
    // An example of WCAG's: #777 on white fails by a little.
    assert!((contrast(rgb("777"), rgb("fff")) - 4.48).abs() < 0.01);
}

#[test]
fn text_has_a_contrast_of_4_5_and_marks_of_3() {
    for (name, from) in [("light", ":root{color-scheme"), ("dark", ":root:not(.light){"), ("print", ":root:not(#x){")] {
        let mut colors = palette(":root{color-scheme");
        colors.extend(palette(from));
        for ground in ["bg", "panel"] {
            for text in ["ink", "ink2", "ink3", "accent", "bad", "ok", "warn"] {
                let ratio = contrast(colors[text], colors[ground]);
                assert!(ratio >= 4.5, "{name}: {text} on {ground} is {ratio:.2}");
            }
        }
        let note = contrast(colors["warn"], colors["warnbg"]).min(contrast(colors["ink2"], colors["warnbg"]));
        assert!(note >= 4.5, "{name}: text on a note is {note:.2}");
        for mark in ["gpu", "cpu", "memory", "other", "total", "idle", "ci1", "ci2", "ci3", "ci4", "ci5", "cursor"] {
            let ratio = contrast(colors[mark], colors["bg"]);
            assert!(ratio >= 3.0, "{name}: {mark} is {ratio:.2}");
        }
    }
}
