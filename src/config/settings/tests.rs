use std::ffi::OsString;

use super::*;

fn environment(directory: &Path, variables: &[(&str, &str)]) -> Environment {
    Environment {
        variables: variables
            .iter()
            .map(|(key, value)| (OsString::from(key), OsString::from(value)))
            .collect(),
        directory: directory.to_owned(),
        ..Environment::default()
    }
}

fn mistakes(text: &str) -> Vec<(String, String, Option<String>)> {
    match FileSettings::parse(text, Path::new("/lab/vboxmcp.toml"), "vboxmcp.toml") {
        Err(ConfigError::File { mistakes, .. }) => mistakes
            .into_iter()
            .map(|mistake| (text[mistake.span].to_owned(), mistake.message, mistake.help))
            .collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn flags_win_over_the_environment_and_that_over_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = r#"
        stack = "from-file"
        host = "sim:state"
        output = "json"
        route = "native"
        max_prune = 3
        max_downtime = "10%"
        manifests = ["lab", "/srv/x.yaml"]
        [variables]
        count = 3
        site = "./site"
    "#;
    std::fs::write(folder.path().join("vboxmcp.toml"), file).unwrap();
    let sub = folder.path().join("sub");
    std::fs::create_dir(&sub).unwrap();
    std::fs::create_dir(folder.path().join(".git")).unwrap();
    let environment = environment(
        &sub,
        &[("VBOXMCP_STACK", "from-environment"), ("VBOXMCP_MAX_PRUNE", "50%"), ("VBOXMCP_VAR_count", "4")],
    );
    let settings = Settings::resolve(Overrides::default(), &environment).unwrap();
    assert_eq!(settings.stack, Some(StackName::new("from-environment").unwrap()));
    assert!(!settings.stack_typed);
    assert_eq!(settings.host, HostChoice::Sim(Some(folder.path().join("state"))));
    assert_eq!(settings.output, Output::Json);
    assert_eq!(settings.route, Route::Native);
    assert_eq!(settings.policy.limits.max_prune, Limit::Percent(50));
    assert_eq!(settings.policy.limits.max_downtime, Limit::Percent(10));
    assert_eq!(settings.policy.limits.max_destroy_data, Limit::Count(1));
    assert_eq!(settings.manifests, [folder.path().join("lab"), "/srv/x.yaml".into()]);
    let values: Vec<(&str, &str, &Path)> =
        settings.variables.iter().map(|v| (v.name.as_str(), v.value.as_str(), v.base.as_path())).collect();
    assert_eq!(
        values,
        [("count", "4", sub.as_path()), ("count", "3", folder.path()), ("site", "./site", folder.path())]
    );

    let flags = Overrides {
        stack: Some(StackName::new("typed").unwrap()),
        host: Some(HostChoice::Local),
        output: Some(Output::Text),
        route: Some(Route::VBoxManage),
        variables: vec![("count".into(), "5".into()), ("count".into(), "6".into())],
        ..Overrides::default()
    };
    let settings = Settings::resolve(flags, &environment).unwrap();
    assert_eq!(settings.stack.unwrap().as_str(), "typed");
    assert!(settings.stack_typed);
    assert_eq!(settings.host, HostChoice::Local);
    assert_eq!(settings.output, Output::Text);
    assert_eq!(settings.route, Route::VBoxManage);
    assert_eq!(settings.variables[0].value, "6");
}

#[test]
fn permissions_add_up_and_none_forgets_the_given_ones() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("vboxmcp.toml"), "allow = ['downtime']").unwrap();
    let environment = environment(folder.path(), &[("VBOXMCP_ALLOW", "power-cut, revert")]);
    let flags = Overrides { allow: [Danger::DestroyData].into(), ..Overrides::default() };
    let settings = Settings::resolve(flags.clone(), &environment).unwrap();
    let all = [Danger::Downtime, Danger::PowerCut, Danger::Revert, Danger::DestroyData];
    assert_eq!(settings.policy.allow, all.into());
    let settings = Settings::resolve(Overrides { allow_none: true, ..flags }, &environment).unwrap();
    assert_eq!(settings.policy.allow, [Danger::DestroyData].into());
}

#[test]
fn a_file_above_neither_home_nor_repository_is_not_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    let sub = folder.path().join("a/b");
    std::fs::create_dir_all(&sub).unwrap();
    std::fs::write(folder.path().join("vboxmcp.toml"), "stack = 'x'").unwrap();
    assert_eq!(Settings::resolve(Overrides::default(), &environment(&sub, &[])).unwrap().file, None);
    let home = folder.path().display().to_string();
    let found = Settings::resolve(Overrides::default(), &environment(&sub, &[("HOME", &home)])).unwrap();
    assert_eq!(found.file.is_some(), cfg!(unix));
    std::fs::create_dir(folder.path().join("a/.git")).unwrap();
    assert_eq!(
        Settings::resolve(Overrides::default(), &environment(&sub, &[("HOME", &home)])).unwrap().file,
        None
    );
}

#[test]
fn all_mistakes_of_a_file_are_found_with_their_places() {
    let found = mistakes(
        "stak = 'x'\nhost = 'ssh://a'\nallow = ['downtme']\nmax_prune = '200%'\nmanifests = 'x'\nall_or_nothing = 1\n[variables]\na = [1]\n",
    );
    let places: Vec<&str> = found.iter().map(|(place, ..)| place.as_str()).collect();
    assert_eq!(places, ["stak", "'ssh://a'", "'downtme'", "'200%'", "'x'", "1", "[1]"]);
    assert_eq!(found[0].2.as_deref(), Some("did you mean `stack`?"));
    assert!(found[1].1.contains("not supported yet"));
    assert_eq!(found[2].2.as_deref(), Some("did you mean `downtime`?"));
    assert_eq!(found[4].1, "expected a list of strings, found string");
    assert_eq!(mistakes("stack = ").len(), 1);
}

#[test]
fn a_repository_does_not_bring_its_own_program() {
    for program in ["./VBoxManage", "/lab/bin/VBoxManage", "VBoxManage"] {
        let found = mistakes(&format!("vboxmanage = '{program}'"));
        assert!(found[0].1.contains("absolute path outside"), "{found:?}");
    }
    let settings =
        FileSettings::parse("vboxmanage = '/opt/x/VBoxManage'", Path::new("/lab/vboxmcp.toml"), "x").unwrap();
    assert_eq!(settings.vboxmanage, Some("/opt/x/VBoxManage".into()));
}

#[test]
fn colours_obey_flag_environment_and_terminal() {
    let at = |variables: &[(&str, &str)]| environment(Path::new("/"), variables);
    assert!(ColorChoice::Auto.applies(true, &at(&[])));
    assert!(!ColorChoice::Auto.applies(false, &at(&[])));
    assert!(!ColorChoice::Auto.applies(true, &at(&[("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")])));
    assert!(ColorChoice::Auto.applies(false, &at(&[("CLICOLOR_FORCE", "1")])));
    assert!(!ColorChoice::Auto.applies(true, &at(&[("CLICOLOR", "0")])));
    assert!(!ColorChoice::Auto.applies(true, &at(&[("TERM", "dumb")])));
    assert!(ColorChoice::Always.applies(false, &at(&[("NO_COLOR", "1")])));
    assert!(!ColorChoice::Never.applies(true, &at(&[("CLICOLOR_FORCE", "1")])));
}

#[test]
fn a_misspelt_variable_of_the_environment_is_noticed() {
    let environment = environment(Path::new("/"), &[("VBOXMCP_ALOW", "downtime"), ("VBOXMCP_VAR_x", "1")]);
    let warnings = Settings::resolve(Overrides::default(), &environment).unwrap().warnings;
    assert_eq!(
        warnings,
        ["the environment variable VBOXMCP_ALOW is not looked at; did you mean VBOXMCP_ALLOW?"]
    );
}
