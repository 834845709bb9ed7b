"""From files that people write to checked values: YAML and JSON to ``settings``, every mistake at once.

nodes, yaml_nodes, json_nodes         text to nodes that know their line
documents, problems                   a file to nodes; the mistakes found in it
values, sections, file_paths          nodes to typed values, one key at a time
links, targets, recoveries, services  the parts of a configuration
connmon_files, system_configs         the two formats: ours, and the ERP's system_config.json
configuration, places, defaults       which file and which state directory are meant, and what holds without
state_dirs                            the state directory of a file with mistakes in it
descriptions, durations               the way back, for people
charts                                the statecharts, from the same nodes
"""
