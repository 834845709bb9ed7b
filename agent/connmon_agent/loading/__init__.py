"""From files that people write to checked values: YAML and JSON to ``settings``, every mistake at once.

keys, system_keys                     every key of connmon.yaml, and of the ERP's system_config.json
key_tables                            what declares a key, and the section that keys make up
values, network_values, file_paths    the types of values: how each is read, written and described
nodes, yaml_nodes, json_nodes         text to nodes that know their line
documents, problems, sections         a file to nodes, the mistakes in it, and a mapping read key by key
links, targets, services              what the keys of a section say together
connmon_files, system_configs         the two formats as a whole, and ``usages``, what of a file is in force
configuration, places, defaults       which file and which state directory are meant, and what holds without
state_dirs                            the state directory of a file with mistakes in it
descriptions, conversions, durations  the way back, for people and editors
charts                                the statecharts, from the same nodes
"""
