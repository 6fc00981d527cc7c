//! What the docs say is what the code does.

use super::*;

fn default_of(variable: &variable::Variable) -> String {
    let settings = Settings::default();
    match variable.name {
        "SERVER_INSTANCE_ID" => "server- and 12 random hexadecimal digits".to_owned(),
        _ => {
            Some(variable.setting.show(&settings)).filter(|text| !text.is_empty()).unwrap_or_else(|| "none".to_owned())
        }
    }
}

#[test]
fn each_method_tells_the_truth_about_its_variable() {
    for variable in VARIABLES {
        let [unit, allowed] = variable.setting.documented();
        let expected = [unit, default_of(variable), allowed];
        assert_eq!(variable.documented, expected.each_ref().map(String::as_str), "{}", variable.name);
    }
}

#[test]
fn the_table_of_variables_tells_the_truth() {
    let rows: Vec<Vec<&str>> = include_str!("../variables.md")
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| line.trim_matches('|').splitn(5, '|').map(str::trim).collect())
        .collect();
    let written: Vec<_> = rows.iter().map(|row| row[..4].join(" | ")).collect();
    let actual: Vec<_> = VARIABLES
        .iter()
        .map(|variable| {
            let [unit, allowed] = variable.setting.documented();
            format!("`{}` | `{}` | {unit} | `{allowed}`", variable.name, default_of(variable))
        })
        .collect();
    assert_eq!(written, actual);
    assert!(rows.iter().all(|row| row[4].len() > 10), "each row has a meaning");
}

#[test]
fn a_setter_is_its_variable_in_small_letters_without_ws() {
    for variable in VARIABLES {
        let name = variable.name.strip_prefix("WS_").unwrap_or(variable.name);
        assert_eq!(variable.field, name.to_ascii_lowercase());
    }
    let names: BTreeSet<_> = VARIABLES.iter().map(|variable| variable.field).collect();
    assert_eq!(names.len(), VARIABLES.len());
}

#[test]
fn defaults_are_allowed_and_mean_the_same_when_they_are_written_down() {
    let defaults = Config::builder().build().unwrap();
    for variable in VARIABLES {
        let shown = variable.setting.show(&defaults.settings);
        let again = Config::builder().vars([(variable.name, &shown)]).unwrap();
        assert_eq!(variable.setting.show(&again.config.settings), shown, "{}", variable.name);
    }
}
