"""YAML files with line numbers, and the schemas of inventories and labs."""
